/* A zen thread's whole value: taken apart, made, changed, with all else as it was. */
#include "redis/layouts/codecs/zen_value.h"

#include "base/json.h"

#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ID "03bb338d-65fb-4285-92b2-d830a32509d7"
#define WHEN "2025-10-13T02:47:00.123456+00:00"
#define WHEN_NS INT64_C(1760323620123456000)
#define LATER "2025-10-13T02:47:01+00:00"
#define LATER_NS INT64_C(1760323621000000000)
#define HEAD(parent, updated)                                                                      \
	"{\"thread_id\":\"" ID "\",\"parent_thread_id\":" parent ",\"created_at\":\"" WHEN         \
	"\",\"last_updated_at\":\"" updated "\",\"tool_name\":\"chat\",\"turns\":["
#define TURN(role, text)                                                                           \
	"{\"role\":\"" role "\",\"content\":\"" text "\",\"timestamp\":\"" WHEN                    \
	"\",\"files\":[],\"images\":null,\"tool_name\":null,\"model_provider\":null,"              \
	"\"model_name\":null,\"model_metadata\":null}"
#define TURNS(member) "\"turns\":[{\"role\":\"u\",\"content\":\"\",\"timestamp\":\"\"," member "}]"
#define TAIL "],\"initial_context\":{\"prompt\":\"hi\"}}"
#define EXAMPLE HEAD("null", WHEN) TURN("user", "hi") TAIL

/* One as no tool writes it: unknown members, spaces, escapes, odd numbers, two of a name. */
#define ODD_HEAD                                                                                   \
	" {\"z\":1.0e5 , \"turns\":7, \"created_at\":\"then\",\"tool_name\":\"\\u0063hat\","       \
	"\"initial_context\": { \"a\": [1E2,-0, null ,\"\\ud800\"]},\"last_updated_at\" : \"\","   \
	"\"thread_id\":\"\\u0000é\",\"turns\" : [ "
#define ODD_TURN "{\"content\":\"\\u00e9\", \"role\":\"u\",\"timestamp\":\"\",\"k\":[{}]}"
#define ODD_TAIL " ] ,\"client_friendly_name\":null}\n"

static struct zen_value parsed(const char *data)
{
	struct zen_value value;
	assert_int_equal(zen_value_parse(data, strlen(data), &value), 0);
	return value;
}

static void assert_turn(const char *data, const struct zen_value *value, size_t i, const char *turn)
{
	assert_true(i < value->count);
	assert_int_equal(value->turns[i].size, strlen(turn));
	assert_memory_equal(data + value->turns[i].start, turn, strlen(turn));
}

static void test_M3__the_tools_own_value__is_taken_apart(void **state)
{
	static const char data[] = EXAMPLE;
	struct zen_value value = parsed(data);
	assert_int_equal(value.count, 1);
	assert_turn(data, &value, 0, TURN("user", "hi"));
	assert_string_equal(value.thread_id->data, ID);
	assert_string_equal(value.own->data, "{\"parent_thread_id\":null,\"tool_name\":\"chat\","
					     "\"initial_context\":{\"prompt\":\"hi\"}}");
	assert_int_equal(value.created_ns, WHEN_NS);
	assert_int_equal(value.updated_ns, WHEN_NS);
	zen_value_done(&value);
}

static void test_S3__an_odd_value__is_taken_apart(void **state)
{
	static const char data[] = ODD_HEAD ODD_TURN "," ODD_TURN ODD_TAIL;
	struct zen_value value = parsed(data);
	assert_int_equal(value.count, 2);
	assert_turn(data, &value, 1, ODD_TURN);
	assert_int_equal(value.thread_id->size, 3);
	assert_memory_equal(value.thread_id->data, "\0é", 3);
	assert_string_equal(value.own->data,
		"{\"z\":1.0e5,\"tool_name\":\"chat\",\"initial_context\":\"{ \\\"a\\\": [1E2,-0, "
		"null "
		",\\\"\\\\ud800\\\"]}\",\"client_friendly_name\":null}");
	assert_int_equal(value.created_ns, LAYOUT_TIME_NONE);
	zen_value_done(&value);
}

static void test_S3__what_the_tool_would_not_read__is_no_thread(void **state)
{
	static const char *const members[] = {"1", "\"thread_id\":1", "\"parent_thread_id\":1",
		"\"created_at\":null", "\"last_updated_at\":1", "\"tool_name\":null",
		"\"turns\":null", "\"turns\":{}", "\"turns\":[1]", "\"turns\":[{}]",
		"\"initial_context\":null", "\"initial_context\":[]",
		"\"turns\":[" TURN("u", "") ",[]]", TURNS("\"role\":1"), TURNS("\"content\":null"),
		TURNS("\"timestamp\":0"), TURNS("\"files\":{}"), TURNS("\"images\":[1]"),
		TURNS("\"tool_name\":[]"), TURNS("\"model_metadata\":\"\""),
		"\"turns\":[{\"role\":\"u\",\"content\":\"\"}]"};
	static const char *const needed[] = {"thread_id", "created_at", "last_updated_at",
		"tool_name", "turns", "initial_context"};
	struct zen_value value;
	for (size_t i = 0; i < COUNT_OF(members); i++) {
		char data[2048]; /* the last of two members of a name counts */
		snprintf(data, sizeof(data), "%.*s,%s}", (int)strlen(EXAMPLE) - 1, EXAMPLE,
			members[i]);
		assert_int_equal(zen_value_parse(data, strlen(data), &value), -EBADMSG);
	}
	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		char data[] = EXAMPLE;
		*strstr(data, needed[i]) = '_';
		assert_int_equal(zen_value_parse(data, strlen(data), &value), -EBADMSG);
	}
	assert_int_equal(zen_value_parse("[]", 2, &value), -EBADMSG);
}

static void test_S3__a_value_cut_at_any_byte__is_no_thread(void **state)
{
	static const char data[] = HEAD("null", WHEN) TURN("user", "\\ud83d\\ude00\\\"é") TAIL;
	for (size_t size = 0; size < strlen(data); size++) {
		struct zen_value value;
		struct blob *changed = NULL;
		char *cut = malloc(size + 1);
		memcpy(cut, data, size);
		assert_int_equal(zen_value_parse(cut, size, &value), -EBADMSG);
		assert_int_equal(zen_value_append(cut, size, NULL, 0, 0, &changed), -EBADMSG);
		free(cut);
	}
}

static void test_W__a_new_thread__as_the_tool_writes_it(void **state)
{
	struct blob *value CLEAN_BLOB = NULL, *other CLEAN_BLOB = NULL;
	assert_int_equal(zen_value_create(ID, WHEN_NS, NULL, &value), 0);
	assert_string_equal(value->data, HEAD("null", WHEN) "],\"initial_context\":{}}");
	static const char own[] = "{\"initial_context\": {\"prompt\": \"hi\"}, \"other\": 1, "
				  "\"parent_thread_id\": \"p\", \"thread_id\": \"no\"}";
	struct blob *members CLEAN_BLOB = blob_new(own, strlen(own));
	assert_int_equal(zen_value_create(ID, WHEN_NS, members, &other), 0);
	assert_string_equal(other->data, HEAD("\"p\"", WHEN) TAIL);
}

static void test_W__a_new_thread_the_tool_could_not_read__is_refused(void **state)
{
	static const char *const rows[] = {"[]", "{", "{\"tool_name\":1}",
		"{\"initial_context\":[]}", "{\"parent_thread_id\":{}}", "{\"tool_name\":null}"};
	struct blob *value = NULL;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *own CLEAN_BLOB = blob_new(rows[i], strlen(rows[i]));
		assert_int_equal(zen_value_create(ID, 0, own, &value), -EINVAL);
	}
	assert_int_equal(zen_value_create("\xff", 0, NULL, &value), -EINVAL);
}

static void assert_appended(
	const char *data, const char *const *turns, size_t count, int64_t ns, const char *expected)
{
	struct blob *elements[4] = {0}, *changed CLEAN_BLOB = NULL;
	for (size_t i = 0; i < count; i++)
		elements[i] = blob_new(turns[i], strlen(turns[i]));
	assert_int_equal(zen_value_append(data, strlen(data), elements, count, ns, &changed), 0);
	assert_string_equal(changed->data, expected);
	for (size_t i = 0; i < count; i++)
		blob_unref(elements[i]);
}

static void test_W__appended_turns__all_else_keeps_its_bytes(void **state)
{
	static const char *const turns[] = {TURN("assistant", "yo"), TURN("user", "é")};
	assert_appended(EXAMPLE, turns, 2, LATER_NS,
		HEAD("null", LATER)
			TURN("user", "hi") "," TURN("assistant", "yo") "," TURN("user", "é") TAIL);
	assert_appended(HEAD("null", WHEN) TAIL, turns, 2, LAYOUT_TIME_NONE,
		HEAD("null", WHEN) TURN("assistant", "yo") "," TURN("user", "é") TAIL);
	assert_appended(EXAMPLE, turns, 0, LAYOUT_TIME_NONE, EXAMPLE);
	assert_appended(ODD_HEAD ODD_TURN ODD_TAIL, turns, 1, LAYOUT_TIME_NONE,
		ODD_HEAD ODD_TURN "," TURN("assistant", "yo") ODD_TAIL);
}

static void test_W__a_turn_the_tool_could_not_read__is_not_appended(void **state)
{
	static const char *const rows[] = {"", "{}", "1", "{\"role\":\"u\"}",
		"{\"role\":\"u\",\"content\":\"\",\"timestamp\":\"\",\"files\":7}",
		TURN("u", "") ",", TURN("u", "") TURN("u", "")};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *changed = NULL;
		struct blob *element CLEAN_BLOB = blob_new(rows[i], strlen(rows[i]));
		assert_int_equal(
			zen_value_append(EXAMPLE, strlen(EXAMPLE), &element, 1, 0, &changed),
			-EINVAL);
		assert_int_equal(
			zen_value_replace(EXAMPLE, strlen(EXAMPLE), 0, element, 0, &changed),
			-EINVAL);
		assert_null(changed);
	}
}

static void test_W__a_replaced_turn__all_else_keeps_its_bytes(void **state)
{
	static const char odd[] = ODD_HEAD ODD_TURN " , " ODD_TURN "\t,\n" ODD_TURN ODD_TAIL;
	struct blob *element CLEAN_BLOB = blob_new(TURN("a", "b"), strlen(TURN("a", "b")));
	struct blob *changed CLEAN_BLOB = NULL, *last CLEAN_BLOB = NULL;
	assert_int_equal(
		zen_value_replace(odd, strlen(odd), 1, element, LAYOUT_TIME_NONE, &changed), 0);
	assert_string_equal(
		changed->data, ODD_HEAD ODD_TURN " , " TURN("a", "b") "\t,\n" ODD_TURN ODD_TAIL);
	assert_int_equal(
		zen_value_replace(EXAMPLE, strlen(EXAMPLE), 0, element, LATER_NS, &last), 0);
	assert_string_equal(last->data, HEAD("null", LATER) TURN("a", "b") TAIL);
	assert_int_equal(zen_value_replace(odd, strlen(odd), 3, element, 0, &last), -EINVAL);
	assert_int_equal(zen_value_replace(odd, strlen(odd), SIZE_MAX, element, 0, &last), -EINVAL);
}

static void test_W__the_last_turn_removed__all_else_keeps_its_bytes(void **state)
{
	static const char *const rows[][2] = {
		{ODD_HEAD ODD_TURN " , " ODD_TURN "\t,\n" ODD_TURN ODD_TAIL,
			ODD_HEAD ODD_TURN " , " ODD_TURN ODD_TAIL},
		{EXAMPLE, HEAD("null", WHEN) TAIL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *changed CLEAN_BLOB = NULL;
		int rc = zen_value_remove_last(
			rows[i][0], strlen(rows[i][0]), LAYOUT_TIME_NONE, &changed);
		assert_int_equal(rc, 0);
		assert_string_equal(changed->data, rows[i][1]);
	}
	struct blob *changed = NULL;
	assert_int_equal(
		zen_value_remove_last(rows[1][1], strlen(rows[1][1]), 0, &changed), -EINVAL);
}

static void assert_owned(const char *data, const char *own, int rc, const char *expected)
{
	struct blob *changed CLEAN_BLOB = NULL;
	struct blob *members CLEAN_BLOB = blob_new(own, strlen(own));
	assert_int_equal(
		zen_value_set_own(data, strlen(data), members, LAYOUT_TIME_NONE, &changed), rc);
	if (expected)
		assert_string_equal(changed->data, expected);
	else
		assert_null(changed);
}

static void test_M3__own_members__set_where_the_tool_has_them(void **state)
{
	assert_owned(EXAMPLE,
		"{\"parent_thread_id\": \"p\\u00e9\", \"other\": 1, \"client_friendly_name\": "
		"\"c\"}",
		0, HEAD("\"pé\"", WHEN) TURN("user", "hi") TAIL);
	assert_owned(EXAMPLE, "{\"tool_name\":\"debug\",\"initial_context\":{ \"a\" : 1.0e5 }}", 0,
		"{\"thread_id\":\"" ID "\",\"parent_thread_id\":null,\"created_at\":\"" WHEN
		"\",\"last_updated_at\":\"" WHEN "\",\"tool_name\":\"debug\",\"turns\":[" TURN(
			"user", "hi") "],\"initial_context\":{\"a\":1.0e5}}");
	assert_owned(HEAD("\"p\"", WHEN) TAIL, "{}", 0, HEAD("null", WHEN) TAIL);
	assert_owned(EXAMPLE, "{\"thread_id\":\"x\",\"turns\":[],\"created_at\":1}", 0, EXAMPLE);
	assert_owned(EXAMPLE, "{\"tool_name\":null}", -EINVAL, NULL);
	assert_owned(EXAMPLE, "{\"initial_context\":\"x\"}", -EINVAL, NULL);
	assert_owned(EXAMPLE, "[]", -EINVAL, NULL);
}

static void test_M3__own_members_as_they_are_shown__change_no_byte(void **state)
{
	static const char *const rows[] = {EXAMPLE, ODD_HEAD ODD_TURN ODD_TAIL};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct zen_value value = parsed(rows[i]);
		json_auto_t *own = json_parse(value.own->data, value.own->size);
		struct blob *again CLEAN_BLOB = json_text(own, JSON_TEXT_INDENT);
		assert_owned(rows[i], again->data, 0, rows[i]);
		zen_value_done(&value);
	}
}

static void test_S3__nesting_of_10000_and_5_megabytes__are_served_and_kept(void **state)
{
	enum { DEPTH = 10000, TEXT = 5 << 20 };
	struct blob *data CLEAN_BLOB = NULL, *changed CLEAN_BLOB = NULL;
	char *deep = malloc(TEXT);
	static const char turn[] = TURN("user", "hi");
	struct blob *element CLEAN_BLOB = blob_new(turn, strlen(turn));
	blob_write(&data, 0, HEAD("null", WHEN), strlen(HEAD("null", WHEN)));
	blob_write(&data, blob_size(data), turn, strlen(turn) - 1);
	blob_write(&data, blob_size(data), ",\"x\":", 5);
	memset(deep, '[', DEPTH);
	memset(deep + DEPTH, ']', DEPTH);
	blob_write(&data, blob_size(data), deep, 2 * DEPTH);
	blob_write(&data, blob_size(data), ",\"y\":\"", 6);
	memset(deep, 'y', TEXT);
	blob_write(&data, blob_size(data), deep, TEXT);
	blob_write(&data, blob_size(data), "\"}" TAIL, strlen("\"}" TAIL));
	assert_int_equal(
		zen_value_append(data->data, data->size, &element, 1, LAYOUT_TIME_NONE, &changed),
		0);
	struct zen_value value = parsed(changed->data);
	assert_int_equal(value.count, 2);
	size_t kept = value.turns[0].start + value.turns[0].size;
	assert_memory_equal(changed->data, data->data, kept);
	assert_string_equal(changed->data + kept + 1 + strlen(turn), data->data + kept);
	zen_value_done(&value);
	free(deep);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M3__the_tools_own_value__is_taken_apart),
		cmocka_unit_test(test_S3__an_odd_value__is_taken_apart),
		cmocka_unit_test(test_S3__what_the_tool_would_not_read__is_no_thread),
		cmocka_unit_test(test_S3__a_value_cut_at_any_byte__is_no_thread),
		cmocka_unit_test(test_W__a_new_thread__as_the_tool_writes_it),
		cmocka_unit_test(test_W__a_new_thread_the_tool_could_not_read__is_refused),
		cmocka_unit_test(test_W__appended_turns__all_else_keeps_its_bytes),
		cmocka_unit_test(test_W__a_turn_the_tool_could_not_read__is_not_appended),
		cmocka_unit_test(test_W__a_replaced_turn__all_else_keeps_its_bytes),
		cmocka_unit_test(test_W__the_last_turn_removed__all_else_keeps_its_bytes),
		cmocka_unit_test(test_M3__own_members__set_where_the_tool_has_them),
		cmocka_unit_test(test_M3__own_members_as_they_are_shown__change_no_byte),
		cmocka_unit_test(test_S3__nesting_of_10000_and_5_megabytes__are_served_and_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
