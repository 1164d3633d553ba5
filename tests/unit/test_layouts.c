/* The table of layouts: whose a key is, and Redis' patterns for keys that come without SCAN. */
#include "redis/layouts/layout.h"

#include "unit.h"

#include <string.h>

static bool matches(const char *pattern, const char *text)
{
	return layout_glob(pattern, strlen(pattern), text, strlen(text));
}

/* As util.c's stringmatchlen() of Redis has it. */
static void test_I6__patterns__match_as_in_SCAN(void **state)
{
	static const struct {
		const char *pattern, *yes[4], *no[4];
	} cases[] = {
		{"*", {"", "a", "a/b\n"}, {NULL}},
		{"chat-*", {"chat-", "chat-1"}, {"chat", "xchat-1"}},
		{"*-end", {"-end", "a-b-end"}, {"-end-", "end"}},
		{"a?c", {"abc", "a?c"}, {"ac", "abbc"}},
		{"h[ae]llo", {"hello", "hallo"}, {"hillo", "hllo"}},
		{"h[^e]llo", {"hallo"}, {"hello"}},
		{"h[a-c]t", {"hat", "hct"}, {"hdt"}},
		{"h[c-a]t", {"hbt"}, {"hdt"}},
		{"\\*", {"*"}, {"a", "\\*"}},
		{"[\\]]", {"]"}, {"\\"}},
		{"a*b*c", {"abc", "aXbXbXc"}, {"acb", "ab"}},
		{"", {""}, {"a"}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int k = 0; k < 4 && cases[i].yes[k]; k++)
			assert_true(matches(cases[i].pattern, cases[i].yes[k]));
		for (int k = 0; k < 4 && cases[i].no[k]; k++)
			assert_false(matches(cases[i].pattern, cases[i].no[k]));
	}
	char stars[400], many[401];
	memset(stars, '*', sizeof(stars));
	memset(many, 'a', sizeof(many));
	stars[399] = 'b';
	assert_false(layout_glob(stars, sizeof(stars), many, sizeof(many)));
}

static void check_id(const char *layout, const char *key, const char *expected)
{
	const char *id;
	size_t size;
	bool is = layout_id_of(layout_find(layout), key, strlen(key), &id, &size);
	assert_int_equal(is, expected != NULL);
	if (expected) {
		assert_int_equal(size, strlen(expected));
		assert_memory_equal(id, expected, size);
	}
}

static void test_I6__keys__are_prefix_id_suffix(void **state)
{
	check_id("zen", "thread:x", "x");
	check_id("zen", "thread:", NULL);
	check_id("zen", "threads:x", NULL);
	check_id("langchain", "message_store:a:b", "a:b");
	check_id("openai-agents", "agents:session:x:messages", "x");
	check_id("openai-agents", "agents:session:x", NULL);
	check_id("openai-agents", "agents:session::messages", NULL);
	check_id("llamaindex", "any key", "any key");
	assert_null(layout_find("nothing"));
}

static void test_I6__zen__knows_its_UUIDs(void **state)
{
	const struct layout *zen = layout_find("zen");
	static const char good[] = "03bb338d-65fb-4285-92b2-d830a32509d7";
	assert_true(layout_id_usual(zen, good, strlen(good)));
	assert_false(layout_id_usual(zen, "test_thread_validation", 22));
	assert_false(layout_id_usual(zen, "03bb338d065fb-4285-92b2-d830a32509d7", 36));
	assert_true(layout_id_usual(layout_find("langchain"), "x", 1));
}

static void test_C4__names__are_listed_for_a_sentence(void **state)
{
	char text[256], small[8];
	assert_string_equal(layout_names(text, sizeof(text)),
		"zen, langchain, langchain-js, openai-agents, llamaindex, agent-framework");
	layout_names(small, sizeof(small)); /* cut, not overrun */
	assert_true(strlen(small) < sizeof(small));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I6__patterns__match_as_in_SCAN),
		cmocka_unit_test(test_I6__keys__are_prefix_id_suffix),
		cmocka_unit_test(test_I6__zen__knows_its_UUIDs),
		cmocka_unit_test(test_C4__names__are_listed_for_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
