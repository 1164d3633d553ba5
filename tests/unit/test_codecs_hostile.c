/* The codecs on what no tool writes: other shapes, broken, odd, deep and large elements. */
#include "codecs.h"

#include "base/json.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FFFD "\xef\xbf\xbd"

static const struct layout_codec *const codecs[] = {&codec_zen, &codec_langchain,
	&codec_langchain_js, &codec_openai_agents, &codec_llamaindex, &codec_agent_framework};

static void test_S3__what_is_not_the_tools__is_refused(void **state)
{
	static const char *const rows[] = {"", "null", "[]", "\"x\"", "1", "{}",
		"{\"role\":\"user\"}", "{\"type\":1}", "{\"type\":\"human\"}",
		"{\"type\":\"human\",\"data\":{}}", "{\"type\":\"human\",\"data\":[]}",
		"{\"type\":\"human\",\"data\":null,\"text\":\"x\"}",
		"{\"role\":1,\"content\":\"x\",\"timestamp\":\"\"}",
		"{\"role\":\"u\",\"content\":1,\"timestamp\":\"\"}",
		"{\"role\":\"u\",\"blocks\":\"x\"}", "{\"role\":{\"value\":1},\"contents\":[]}",
		"{\"role\":\"u\",\"contents\":{}}",
		"{\"type\":{\"a\":1},\"data\":{\"content\":\"x\"}}"};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t j = 0; j < COUNT_OF(codecs); j++) {
			struct layout_turn turn;
			if (codecs[j] == &codec_openai_agents &&
				strstr(rows[i], "\"type\":\"human\""))
				continue; /* an item of a type nobody knows */
			int rc = codec_decode(codecs[j], rows[i], strlen(rows[i]), &turn);
			assert_int_equal(rc, -EBADMSG);
		}
}

static void test_S3__an_element_cut_at_any_byte__is_refused(void **state)
{
	for (size_t i = 0; i < COUNT_OF(plain); i++)
		for (size_t size = 0; size < strlen(plain[i].element); size++) {
			struct layout_turn turn;
			struct blob *patched = NULL;
			char *cut = malloc(size + 1);
			memcpy(cut, plain[i].element, size);
			assert_int_equal(codec_decode(plain[i].codec, cut, size, &turn), -EBADMSG);
			assert_int_equal(
				codec_patch(plain[i].codec, cut, size, "t", 1, &patched), -EBADMSG);
			free(cut);
		}
}

/* The plain element of a codec with something else as one more member, or instead of its text. */
static struct blob *with(size_t row, const char *member, const char *text)
{
	const char *element = plain[row].element, *old = strstr(element, "\"hi");
	size_t old_size = strcspn(old + 1, "\"") + 2;
	struct blob *blob = NULL;
	const char *parts[] = {"{", member, member[0] ? "," : ""};
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		blob_write(&blob, blob_size(blob), parts[i], strlen(parts[i]));
	blob_write(&blob, blob_size(blob), element + 1, (size_t)(old - element - 1));
	blob_write(&blob, blob_size(blob), text, strlen(text));
	blob_write(&blob, blob_size(blob), old + old_size, strlen(old + old_size));
	return blob;
}

static void assert_meta_readable(const struct layout_turn *turn)
{
	assert_true(utf8_valid(blob_data(turn->text), blob_size(turn->text)));
	json_auto_t *meta = turn->meta ? json_parse(turn->meta->data, turn->meta->size) : NULL;
	assert_true(!turn->meta || json_is_object(meta));
}

static void test_S3__odd_members__leave_the_turn_readable(void **state)
{
	static const char *const members[] = {"\"x\":1e999", "\"x\":123456789012345678901234567890",
		"\"x\":NaN", "\"x\":[-Infinity]", "\"x\":\"\\ud800\"", "\"x\":{\"\\udc00\":1}",
		"\"\\ud800\":1", "\"a\\u0000b\":1", "\"x\":{\"a\\u0000b\":1}", "\"x\":\"\\u0000\"",
		"\"\":1", "\"x\":1,\"x\":2", "\"x\":\"\\u0000\\ud83d\""};
	for (size_t i = 0; i < COUNT_OF(members); i++)
		for (size_t j = 0; j < COUNT_OF(plain); j++) {
			struct layout_turn turn;
			struct blob *element CLEAN_BLOB = with(j, members[i], "\"ok\"");
			int rc = codec_decode(plain[j].codec, element->data, element->size, &turn);
			assert_int_equal(rc, 0);
			assert_string_equal(turn.text->data, "ok");
			assert_meta_readable(&turn);
			layout_turn_done(&turn);
		}
}

static void test_S3__odd_members__are_shown_as_strings(void **state)
{
	static const char element[] = "{\"a\":1e999,\"b\":[18446744073709551616],\"c\":NaN,\"d\":"
				      "\"\\ud800\",\"e\\u0000\":1,"
				      "\"f\":{\"\\u0000\":\"\\ud800\"},\"role\":\"u\",\"content\":"
				      "\"\",\"timestamp\":\"\"}";
	static const char meta[] =
		"{\"a\":\"1e999\",\"b\":[18446744073709551616],\"c\":\"NaN\",\"d\":\"" FFFD "\","
		"\"f\":\"{\\\"\\\\u0000\\\":\\\"\\\\ud800\\\"}\"}";
	struct row row = {&codec_zen, element, "u", "", meta, true};
	assert_decoded(&row);
}

static void test_S3__odd_texts__are_read_as_python_does(void **state)
{
	static const struct {
		const char *json, *text;
		size_t size;
	} rows[] = {{"\"\\ud800x\"", FFFD "x", 4}, {"\"a\\u0000b\"", "a\0b", 3},
		{"\"\\ud83d\\ude00\"", "😀", 4}, {"\"\"", "", 0},
		{"\"\\u2028\x7f\"", "\u2028\x7f", 4}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t j = 0; j < COUNT_OF(plain); j++) {
			struct layout_turn turn;
			struct blob *element CLEAN_BLOB = with(j, "", rows[i].json);
			int rc = codec_decode(plain[j].codec, element->data, element->size, &turn);
			assert_int_equal(rc, 0);
			assert_int_equal(turn.text->size, rows[i].size);
			assert_memory_equal(turn.text->data, rows[i].text, rows[i].size);
			layout_turn_done(&turn);
		}
}

static void test_S3__two_members_of_a_name__the_last_counts(void **state)
{
	static const struct row rows[] = {
		{&codec_zen,
			"{\"role\":\"a\",\"role\":\"b\",\"content\":1,\"content\":\"x\","
			"\"timestamp\":\"\",\"files\":[\"1\"],\"files\":null}",
			"b", "x", NULL, true},
		{&codec_langchain,
			"{\"data\":7,\"type\":\"ai\",\"data\":{\"content\":7,\"content\":\"x\"},"
			"\"type\":\"human\"}",
			"user", "x", NULL, true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_decoded(&rows[i]);
}

/* `open` so many times, then `close`. */
static char *nested(const char *open, const char *close, size_t depth)
{
	size_t a = strlen(open), b = strlen(close);
	char *text = malloc(depth * (a + b) + 1), *at = text;
	for (size_t i = 0; i < depth; i++, at += a)
		memcpy(at, open, a);
	for (size_t i = 0; i < depth; i++, at += b)
		memcpy(at, close, b);
	*at = '\0';
	return text;
}

static void test_S3__nesting_of_10000__neither_stops_nor_hides_a_turn(void **state)
{
	char *deep = nested("[", "]", 10000), *member = malloc(20100);
	sprintf(member, "\"x\":%s", deep);
	for (size_t j = 0; j < COUNT_OF(plain); j++) {
		struct layout_turn turn;
		struct blob *patched CLEAN_BLOB = NULL;
		struct blob *element CLEAN_BLOB = with(j, member, "\"ok\"");
		assert_int_equal(
			codec_decode(plain[j].codec, element->data, element->size, &turn), 0);
		assert_string_equal(turn.text->data, "ok");
		assert_meta_readable(&turn);
		layout_turn_done(&turn);
		struct blob *expected CLEAN_BLOB = with(j, member, "\"no\"");
		assert_int_equal(codec_patch(plain[j].codec, element->data, element->size, "no", 2,
					 &patched),
			0);
		assert_int_equal(patched->size, expected->size);
		assert_memory_equal(patched->data, expected->data, expected->size);
	}
	free(deep);
	free(member);
}

static void test_S3__five_megabytes__are_read_and_patched(void **state)
{
	size_t size = 5 << 20;
	char *text = malloc(size + 3);
	for (size_t j = 0; j < COUNT_OF(plain); j++) {
		struct layout_turn turn;
		struct blob *patched CLEAN_BLOB = NULL;
		memset(text, j % 2 ? 'x' : '\\', size + 2);
		text[0] = text[size + 1] = '"';
		text[size + 2] = '\0';
		struct blob *element CLEAN_BLOB = with(j, "\"x\":[1,[2,[3]]]", text);
		assert_int_equal(
			codec_decode(plain[j].codec, element->data, element->size, &turn), 0);
		assert_int_equal(turn.text->size, j % 2 ? size : size / 2);
		assert_int_equal(codec_patch(plain[j].codec, element->data, element->size,
					 turn.text->data, turn.text->size, &patched),
			0);
		assert_int_equal(patched->size, element->size);
		assert_memory_equal(patched->data, element->data, element->size);
		layout_turn_done(&turn);
	}
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_S3__what_is_not_the_tools__is_refused),
		cmocka_unit_test(test_S3__an_element_cut_at_any_byte__is_refused),
		cmocka_unit_test(test_S3__odd_members__leave_the_turn_readable),
		cmocka_unit_test(test_S3__odd_members__are_shown_as_strings),
		cmocka_unit_test(test_S3__odd_texts__are_read_as_python_does),
		cmocka_unit_test(test_S3__two_members_of_a_name__the_last_counts),
		cmocka_unit_test(test_S3__nesting_of_10000__neither_stops_nor_hides_a_turn),
		cmocka_unit_test(test_S3__five_megabytes__are_read_and_patched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
