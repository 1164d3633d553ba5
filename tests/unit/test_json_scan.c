/* JSON as bytes: what is taken, where values lie, what strings say, how they are written. */
#include "redis/layouts/codecs/json_write.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json_range scanned(const char *text)
{
	struct json_range range;
	assert_int_equal(json_scan(text, strlen(text), &range, NULL), 0);
	return range;
}

static void test_S3__values_of_rfc_8259__are_taken_whole(void **state)
{
	static const char *const rows[] = {"0", "-0", "10", "1.5", "-0.5e+10", "1E-2", "\"\"",
		"true", "false", "null", "[]", "{}", "[[],{}]", "{\"a\":{\"b\":[1,2,{}]}}",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"", "\"\\ud800\"", "\"\\udc00\\ud800\"",
		"\"\x7f\xc2\x80\xf4\x8f\xbf\xbf\"", "NaN", "Infinity", "-Infinity", "[NaN]",
		"{\"\":0,\"\":1}", "\"12345678\\u00001234567\""};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[128];
		snprintf(text, sizeof(text), " \t%s\r\n", rows[i]);
		struct json_range range = scanned(text);
		assert_int_equal(range.start, 2);
		assert_int_equal(range.size, strlen(rows[i]));
	}
}

static void test_S3__what_is_no_single_value__is_refused(void **state)
{
	static const char *const rows[] = {"", " ", "{", "}", "[", "]", "{}x", "{} {}", "1 2",
		"nul", "nulll", "truefalse", "'a'", "[1,]", "[,1]", "[1 2]", "[1}", "{]", "{\"a\"}",
		"{\"a\":}", "{\"a\":1,}", "{,}", "{1:2}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "01",
		"-01", "1.", ".5", "1e", "1e+", "+1", "-", "--1", "0x1", "1.e1", "NaN1", "-NaN",
		"nan", "inf", "\"\n\"", "\"\x01\"", "\"\\x\"", "\"\\u12\"", "\"\\u123g\"", "\"\\",
		"\"\\\"", "\"a", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\xef\xbb\xbf{}", "/**/1", "[1]]", "[\f1]",
		"\"1234567\x1f\"", "\"12345678\x80\""};
	struct json_range range;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(json_scan(rows[i], strlen(rows[i]), &range, NULL), -EBADMSG);
	assert_int_equal(json_scan("1\0", 2, &range, NULL), -EBADMSG);
	assert_int_equal(json_scan("\"a\0b\"", 5, &range, NULL), -EBADMSG);
	assert_int_equal(json_scan("\0", 1, &range, NULL), -EBADMSG);
}

static void test_S3__any_beginning_of_a_value__is_refused(void **state)
{
	static const char text[] = "{\"a\\u0041\": [1.5e3, true, {\"é\": null}, \"x\\\"\"]}";
	for (size_t size = 0; size < strlen(text); size++) {
		char *cut =
			malloc(size + 1); /* its own, so that a sanitizer sees reads behind it */
		memcpy(cut, text, size);
		struct json_range range;
		assert_int_equal(json_scan(cut, size, &range, NULL), -EBADMSG);
		free(cut);
	}
	scanned(text);
}

static char *nested(const char *open, const char *close, size_t depth)
{
	size_t a = strlen(open), b = strlen(close);
	char *text = malloc(depth * (a + b) + 2), *at = text;
	for (size_t i = 0; i < depth; i++, at += a)
		memcpy(at, open, a);
	*at++ = '0';
	for (size_t i = 0; i < depth; i++, at += b)
		memcpy(at, close, b);
	*at = '\0';
	return text;
}

static void test_S3__deep_nesting__up_to_the_limit(void **state)
{
	static const struct {
		size_t depth;
		int rc;
	} rows[] = {{10000, 0}, {JSON_SCAN_DEPTH_MAX, 0}, {JSON_SCAN_DEPTH_MAX + 1, -EBADMSG}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		static const char *const pairs[][2] = {
			{"[", "]"}, {"{\"a\":", "}"}, {"[{\"\":", "}]"}};
		for (size_t j = 0; j < COUNT_OF(pairs); j++) {
			size_t levels = j == 2 ? 2 : 1, depth;
			char *text = nested(pairs[j][0], pairs[j][1], rows[i].depth / levels);
			struct json_range range;
			int rc = json_scan(text, strlen(text), &range, &depth);
			assert_int_equal(rc, levels == 1 ? rows[i].rc : 0);
			if (rc == 0)
				assert_int_equal(depth, rows[i].depth / levels * levels);
			free(text);
		}
	}
}

static void test_S3__levels__objects_and_arrays_are_told_apart_at_each(void **state)
{
	for (size_t depth = 60; depth < 70; depth++) {
		char *text = nested("[", "]", depth);
		struct json_range range;
		text[strlen(text) - depth / 2] = '}';
		assert_int_equal(json_scan(text, strlen(text), &range, NULL), -EBADMSG);
		free(text);
	}
}

static void assert_range(const char *text, struct json_range range, const char *expected)
{
	assert_int_equal(range.size, strlen(expected));
	assert_memory_equal(text + range.start, expected, range.size);
}

static void test_S3__walk__members_and_elements_in_their_order(void **state)
{
	static const char text[] =
		" { \"a\" : 1 ,\"b\\\"\":[ {\"]\":\"}\\\\\"} ,2]\n, \"c\":\"\\\\\" , \"d\":{}} ";
	static const char *const expected[][2] = {{"\"a\"", "1"},
		{"\"b\\\"\"", "[ {\"]\":\"}\\\\\"} ,2]"}, {"\"c\"", "\"\\\\\""}, {"\"d\"", "{}"}};
	struct json_walk walk = json_scan_walk(text, scanned(text));
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		assert_true(json_scan_next(&walk));
		assert_range(text, walk.key, expected[i][0]);
		assert_range(text, walk.value, expected[i][1]);
	}
	assert_false(json_scan_next(&walk));
	static const char array[] = "[ ]";
	walk = json_scan_walk(array, scanned(array));
	assert_false(json_scan_next(&walk));
}

static void test_S3__members_by_name__the_last_of_one_name_however_escaped(void **state)
{
	static const char text[] =
		"{\"a\":1,\"b\":{\"c\":0},\"\\u0061\":2,\"a\\u0000\":3,\"\":4,\"A\":5,\"ab\":6}";
	static const char *const names[] = {"a", "c", "b", ""};
	struct json_range found[4];
	json_scan_members(text, scanned(text), names, 4, found);
	assert_range(text, found[0], "2");
	assert_int_equal(found[1].size, 0);
	assert_range(text, found[2], "{\"c\":0}");
	assert_range(text, found[3], "4");
	static const char array[] = "[\"a\"]";
	assert_int_equal(json_scan_member(array, scanned(array), "a").size, 0);
	static const char many[] = "{\"\\ud83d\\ude00é\":1}";
	assert_range(many, json_scan_member(many, scanned(many), "😀é"), "1");
}

static void test_S3__strings__say_what_python_reads(void **state)
{
	static const struct {
		const char *json, *text;
		size_t size;
	} rows[] = {{"\"\"", "", 0}, {"\"a\\u00e9\\ud83d\\ude00\"", "aé😀", 7},
		{"\"\\/\\\\\\\"\\b\\f\\n\\r\\t\"", "/\\\"\b\f\n\r\t", 8},
		{"\"x\\u0000y\"", "x\0y", 3}, {"\"\\ud800\"", "\xef\xbf\xbd", 3},
		{"\"\\udc00\\ud83d\\ude00\"", "\xef\xbf\xbd😀", 7},
		{"\"\\ud800\\u0041\"",
			"\xef\xbf\xbd"
			"A",
			4},
		{"\"\\ud800\\n\"", "\xef\xbf\xbd\n", 4},
		{"\"\\uD800\\uD800\\uDC00\"", "\xef\xbf\xbd\xf0\x90\x80\x80", 7},
		{"\"\\uFFFF\\uffff\"", "\xef\xbf\xbf\xef\xbf\xbf", 6}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *text CLEAN_BLOB = NULL;
		struct json_range range = scanned(rows[i].json);
		assert_int_equal(json_scan_text(rows[i].json, range, &text), 0);
		assert_int_equal(text->size, rows[i].size);
		assert_memory_equal(text->data, rows[i].text, rows[i].size);
		bool plain = strlen(rows[i].text) == rows[i].size;
		assert_int_equal(json_scan_is(rows[i].json, range, rows[i].text), plain);
	}
	assert_false(json_scan_is("1", scanned("1"), "1"));
}

static void test_W__strings__in_each_tools_escapes(void **state)
{
	static const char text[] = "\"\\/\b\f\n\r\t\x01\x1f\x7f é\u2028😀";
	static const char *const expected[] = {
		[JSON_STYLE_RAW] = "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é\u2028😀\"",
		[JSON_STYLE_ASCII] = "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f "
				     "\\u00e9\\u2028\\ud83d\\ude00\"",
		[JSON_STYLE_ASCII_COMPACT] = "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f "
					     "\\u00e9\\u2028\\ud83d\\ude00\"",
	};
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		struct json_out out = {.style = i};
		struct blob *blob CLEAN_BLOB = NULL;
		json_write_string(&out, text, strlen(text));
		assert_int_equal(json_write_end(&out, &blob), 0);
		assert_string_equal(blob->data, expected[i]);
	}
}

static void test_W__a_value_in_another_style__numbers_keep_their_spelling(void **state)
{
	static const char text[] =
		"{ \"\\u00e9\" :[1.0e5 , "
		"-0,12345678901234567890123],\"b\":\"\\/\\ud800\",\"c\":-Infinity,"
		"\"d\":{ }, \"e\":[ true,null ]}";
	static const char *const expected[] = {
		[JSON_STYLE_RAW] =
			"{\"é\":[1.0e5,-0,12345678901234567890123],\"b\":\"/\xef\xbf\xbd\","
			"\"c\":null,\"d\":{},\"e\":[true,null]}",
		[JSON_STYLE_ASCII] = "{\"\\u00e9\": [1.0e5, -0, 12345678901234567890123], "
				     "\"b\": \"/\\ufffd\", \"c\": -Infinity, \"d\": {}, "
				     "\"e\": [true, null]}",
		[JSON_STYLE_ASCII_COMPACT] =
			"{\"\\u00e9\":[1.0e5,-0,12345678901234567890123],"
			"\"b\":\"/\\ufffd\",\"c\":-Infinity,\"d\":{},\"e\":[true,null]}",
	};
	for (size_t i = 0; i < COUNT_OF(expected); i++) {
		struct json_out out = {.style = i};
		struct blob *blob CLEAN_BLOB = NULL;
		json_write_value(&out, text, scanned(text));
		assert_int_equal(json_write_end(&out, &blob), 0);
		assert_string_equal(blob->data, expected[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_S3__values_of_rfc_8259__are_taken_whole),
		cmocka_unit_test(test_S3__what_is_no_single_value__is_refused),
		cmocka_unit_test(test_S3__any_beginning_of_a_value__is_refused),
		cmocka_unit_test(test_S3__deep_nesting__up_to_the_limit),
		cmocka_unit_test(test_S3__levels__objects_and_arrays_are_told_apart_at_each),
		cmocka_unit_test(test_S3__walk__members_and_elements_in_their_order),
		cmocka_unit_test(test_S3__members_by_name__the_last_of_one_name_however_escaped),
		cmocka_unit_test(test_S3__strings__say_what_python_reads),
		cmocka_unit_test(test_W__strings__in_each_tools_escapes),
		cmocka_unit_test(test_W__a_value_in_another_style__numbers_keep_their_spelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
