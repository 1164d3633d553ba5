/* JSON in and out: what is taken, how numbers and strings are written, bytes as values. */
#include "base/json.h"

#include "unit.h"

#include <locale.h>
#include <string.h>

static void assert_written(const char *in, const char *out)
{
	json_auto_t *value = json_parse(in, strlen(in));
	assert_non_null(value);
	struct blob *text CLEAN_BLOB = json_text(value, 0);
	assert_string_equal(text->data, out);
}

static void test_M1__numbers__shortest_that_reads_back(void **state)
{
	static const char *const rows[][2] = {{"1", "1"}, {"1.0", "1.0"}, {"0.1", "0.1"},
		{"1e2", "100.0"}, {"1e300", "1e+300"}, {"-0.0", "-0.0"},
		{"0.30000000000000004", "0.30000000000000004"}, {"3.14", "3.14"},
		{"1732290736.123456789", "1732290736.1234567"}, {"1e22", "1e+22"},
		{"9223372036854775807", "9223372036854775807"}, {"5e-324", "4.94065645841247e-324"},
		{"2.5e15", "2.5e+15"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_written(rows[i][0], rows[i][1]);
}

static void test_M1__integers_of_any_size__keep_their_digits(void **state)
{
	static const char *const rows[] = {"18446744073709551615", "-9223372036854775809",
		"[123456789012345678901234567890,\"1234567890123456789\",1.5]",
		"{\"a\":12345678901234567890,\"b\\\"\":[-12345678901234567890,true]}"};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_written(rows[i], rows[i]);
	assert_written("[ 12345678901234567890\n]", "[12345678901234567890]");
	json_auto_t *value = json_parse(rows[0], strlen(rows[0]));
	struct blob *shown CLEAN_BLOB = json_to_shown(value);
	assert_string_equal(shown->data, rows[0]);
	assert_false(json_is_text(value));
	assert_null(json_to_bytes(value));
	assert_written("{\"\uffff\ufffe1\":1}", "{\"\xef\xbf\xbf\xef\xbf\xbe"
						"1\":1}");
}

static void test_M1__strings_that_look_like_our_wide_integers__stay_the_bytes_they_are(void **state)
{
	static const char bytes[] = "\xef\xbf\xbf\xef\xbf\xbe"
				    "12345678901234567890";
	static const char *const rows[] = {"[\"\uffff\ufffe12345678901234567890\"]",
		"[\"\\uFFff\\ufffe12345678901234567890\"]"};
	json_auto_t *made = json_from_bytes(bytes, sizeof bytes - 1);
	struct blob *back CLEAN_BLOB = json_to_bytes(made);
	assert_string_equal(back->data, bytes);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_auto_t *value = json_parse(rows[i], strlen(rows[i]));
		assert_true(json_equal(json_array_get(value, 0), made));
		assert_written(rows[i], "[{\"base64\":\"77+/77++MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\"}]");
	}
	static const char both[] = "[\"\\uffff\",12345678901234567890]";
	assert_null(json_parse(both, sizeof both - 1));
	assert_written("\"\\uffff\\ufffe1\"", "\"\xef\xbf\xbf\xef\xbf\xbe"
					      "1\"");
}

static void test_S3__what_is_no_json_beside_a_wide_integer__is_refused(void **state)
{
	static const char *const rows[] = {"{12345678901234567890:1}", "{12345678901234567890 :1}",
		"[12345678901234567890", "012345678901234567890", "12345678901234567890x",
		"[12345678901234567890,1e999]", "12345678901234567890 1", "--12345678901234567890",
		"[12345678901234567890\"a\"]", "[12345678901234567890,\"a]",
		"x12345678901234567890", "[12345678901234567890,\"\\"};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_null(json_parse(rows[i], strlen(rows[i])));
}

static void test_M1__strings__utf8_as_it_is_and_only_needed_escapes(void **state)
{
	assert_written("\"\\u00e9\\ud83d\\ude00/\\/\"", "\"é😀//\"");
	assert_written("\"\\u0000\\u001f\\n\\t\\r\\b\\f\\\"\\\\\\u007f\"",
		"\"\\u0000\\u001f\\n\\t\\r\\b\\f\\\"\\\\\x7f\"");
}

static void test_M1__order__is_kept_and_the_last_of_two_keys_wins(void **state)
{
	assert_written("{\"b\":1, \"a\":[ ],\"c\":{}}", "{\"b\":1,\"a\":[],\"c\":{}}");
	assert_written("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
	assert_written("[true,false,null]", "[true,false,null]");
}

static void test_M3__indent__two_spaces_and_a_newline(void **state)
{
	json_auto_t *value = json_parse("{\"a\":[1,{}],\"b\":[]}", 19);
	struct blob *text CLEAN_BLOB = json_text(value, JSON_TEXT_INDENT);
	assert_string_equal(text->data, "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}\n");
}

static void test_S3__what_is_no_single_value__is_refused(void **state)
{
	static const char *const rows[] = {"", " ", "{", "{}x", "{} {}", "1 2", "nul", "'a'",
		"[1,]", "{\"a\":1,}", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "NaN",
		"Infinity", "01", "1.", "\"\n\"", "1e999"};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_null(json_parse(rows[i], strlen(rows[i])));
	assert_null(json_parse("1\0", 2));
}

static void test_S3__deep_nesting__is_refused(void **state)
{
	static char deep[200000];
	memset(deep, '[', sizeof(deep));
	assert_null(json_parse(deep, sizeof(deep)));
	memset(deep + 500, ']', 500);
	json_auto_t *value = json_parse(deep, 1000);
	assert_non_null(value);
	struct blob *text CLEAN_BLOB = json_text(value, 0);
	assert_int_equal(text->size, 1000);
}

static void test_M1__depth__what_people_may_nest_fits_into_objects_of_ours(void **state)
{
	static char text[2 * 2050 + 1];
	static const int depths[] = {1, JSON_DEPTH_MOST, JSON_DEPTH_MOST + 1};
	for (size_t i = 0; i < COUNT_OF(depths); i++) {
		memset(text, '[', (size_t)depths[i]);
		memset(text + depths[i], ']', (size_t)depths[i]);
		json_auto_t *value = json_parse(text, 2 * (size_t)depths[i]);
		assert_non_null(value);
		assert_int_equal(json_too_deep(value), depths[i] > JSON_DEPTH_MOST);
	}
	json_auto_t *flat = json_parse("{\"a\":[1,{}]}", 12);
	assert_false(json_too_deep(flat));
}

static void test_M1__bytes__utf8_is_a_string_else_base64(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *json;
	} rows[] = {{"", 0, "\"\""}, {"é", 2, "\"é\""}, {"a\0b", 3, "\"a\\u0000b\""},
		{"\xff", 1, "{\"base64\":\"/w==\"}"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_auto_t *value = json_from_bytes(rows[i].bytes, rows[i].size);
		struct blob *text CLEAN_BLOB = json_text(value, 0);
		assert_string_equal(text->data, rows[i].json);
		struct blob *back CLEAN_BLOB = json_to_bytes(value);
		assert_int_equal(back->size, rows[i].size);
		assert_memory_equal(back->data, rows[i].bytes, rows[i].size);
	}
}

static void test_M1__shown__strings_as_they_are_others_as_json(void **state)
{
	static const char *const rows[][2] = {{"\"x y\"", "x y"}, {"{\"base64\":\"Zm9v\"}", "foo"},
		{"1.50", "1.5"}, {"{\"a\":1}", "{\"a\":1}"}, {"null", "null"},
		{"{\"base64\":\"!\"}", "{\"base64\":\"!\"}"},
		{"{\"base64\":\"Zm9v\",\"b\":1}", "{\"base64\":\"Zm9v\",\"b\":1}"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_auto_t *value = json_parse(rows[i][0], strlen(rows[i][0]));
		struct blob *shown CLEAN_BLOB = json_to_shown(value);
		assert_string_equal(shown->data, rows[i][1]);
	}
}

static void test_M1__to_bytes_of_other_values__NULL(void **state)
{
	static const char *const rows[] = {"1", "{}", "[]", "null", "{\"base64\":1}",
		"{\"base64\":\"Zg==\",\"x\":1}", "{\"base64\":\"Z\"}"};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_auto_t *value = json_parse(rows[i], strlen(rows[i]));
		assert_non_null(value);
		assert_null(json_to_bytes(value));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M1__numbers__shortest_that_reads_back),
		cmocka_unit_test(test_M1__integers_of_any_size__keep_their_digits),
		cmocka_unit_test(
			test_M1__strings_that_look_like_our_wide_integers__stay_the_bytes_they_are),
		cmocka_unit_test(test_S3__what_is_no_json_beside_a_wide_integer__is_refused),
		cmocka_unit_test(test_M1__depth__what_people_may_nest_fits_into_objects_of_ours),
		cmocka_unit_test(test_M1__strings__utf8_as_it_is_and_only_needed_escapes),
		cmocka_unit_test(test_M1__order__is_kept_and_the_last_of_two_keys_wins),
		cmocka_unit_test(test_M3__indent__two_spaces_and_a_newline),
		cmocka_unit_test(test_S3__what_is_no_single_value__is_refused),
		cmocka_unit_test(test_S3__deep_nesting__is_refused),
		cmocka_unit_test(test_M1__bytes__utf8_is_a_string_else_base64),
		cmocka_unit_test(test_M1__shown__strings_as_they_are_others_as_json),
		cmocka_unit_test(test_M1__to_bytes_of_other_values__NULL),
	};
	setlocale(LC_ALL, "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
