/* The codecs: elements as each tool writes them, to the byte, and what of them is shown. */
#include "codecs.h"

#include <errno.h>
#include <stdio.h>

static void test_W__a_plain_turn__is_written_as_the_tool_does_and_read_back(void **state)
{
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		assert_decoded(&plain[i]);
		struct layout_turn turn = decoded(plain[i].codec, plain[i].element);
		struct blob *element CLEAN_BLOB = NULL;
		assert_int_equal(codec_encode(plain[i].codec, &turn, &element), 0);
		assert_string_equal(element->data, plain[i].element);
		layout_turn_done(&turn);
	}
}

static void test_M1__metadata__what_is_worth_showing_as_it_is_spelled(void **state)
{
	static const struct row rows[] = {
		{&codec_zen,
			"{\"x\":1.0e5,\"role\":\"assistant\",\"content\":\"\",\"timestamp\":\"" WHEN
			"\",\"files\":[],\"images\":[\"a\\u00e9\"],\"tool_name\":\"chat\","
			"\"model_provider\":null,\"model_metadata\":{ \"t\" : 0.50 }, \"y\":null}",
			"assistant", "",
			"{\"files\":[],\"images\":[\"a\\u00e9\"],\"tool_name\":\"chat\","
			"\"model_metadata\":{ \"t\" : 0.50 },\"x\":1.0e5,\"y\":null}",
			true},
		{&codec_langchain,
			"{\"type\": \"ai\", \"data\": {\"content\": [\"a\", {\"type\": "
			"\"image_url\", "
			"\"image_url\": \"u\"}, {\"type\": \"text\", \"text\": \"b\"}], "
			"\"response_metadata\": {\"model_name\": \"m\"}, \"example\": false, "
			"\"usage_metadata\": {\"input_tokens\": 1}, \"name\": \"n\"}}",
			"assistant", "a\n\nb",
			"{\"response_metadata\":{\"model_name\": \"m\"},\"name\":\"n\","
			"\"usage_metadata\":{\"input_tokens\": 1},"
			"\"blocks\":[{\"type\": \"image_url\", \"image_url\": \"u\"}]}",
			false},
		{&codec_langchain,
			"{\"type\": \"tool\", \"data\": {\"content\": null, "
			"\"tool_call_id\": \"c\", \"status\": \"success\"}}",
			"tool", "", "{\"tool_call_id\":\"c\"}", false},
		{&codec_langchain_js, "{\"type\":\"human\",\"role\":\"x\",\"text\":\"old\"}",
			"user", "old", NULL, true},
		{&codec_langchain_js, "{\"text\":\"old\",\"type\":\"generic\",\"role\":\"Boss 1\"}",
			"boss1", "old", NULL, true},
		{&codec_openai_agents,
			"{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
			"\"output_text\",\"text\":\"yo\",\"annotations\":[]}],\"id\":\"m1\","
			"\"status\":\"completed\"}",
			"assistant", "yo", "{\"id\":\"m1\",\"status\":\"completed\"}", true},
		{&codec_openai_agents,
			"{\"arguments\":\"{\\\"a\\\":1}\",\"call_id\":\"c\",\"name\":\"f\","
			"\"type\":\"function_call\"}",
			"assistant", "{\"a\":1}",
			"{\"call_id\":\"c\",\"name\":\"f\",\"type\":\"function_call\"}", false},
		{&codec_openai_agents,
			"{\"call_id\":\"c\",\"output\":\"42\",\"type\":\"function_call_output\"}",
			"tool", "42", "{\"call_id\":\"c\",\"type\":\"function_call_output\"}",
			false},
		{&codec_openai_agents,
			"{\"id\":\"r\",\"summary\":[{\"text\":\"a\",\"type\":\"summary_text\"},"
			"{\"text\":\"b\",\"type\":\"summary_text\"}],\"type\":\"reasoning\"}",
			"assistant", "a\n\nb", "{\"id\":\"r\",\"type\":\"reasoning\"}", false},
		{&codec_openai_agents, "{\"type\":\"web_search_call\",\"id\":\"w\"}", "assistant",
			"", "{\"type\":\"web_search_call\",\"id\":\"w\"}", false},
		{&codec_llamaindex,
			"{\"role\": \"USER\", \"content\": \"old\", \"additional_kwargs\": {\"a\": "
			"1}}",
			"user", "old", "{\"additional_kwargs\":{\"a\": 1}}", true},
		{&codec_llamaindex,
			"{\"role\":\"user\",\"blocks\":[{\"block_type\":\"image\",\"url\":\"u\"}]}",
			"user", "", "{\"blocks\":[{\"block_type\":\"image\",\"url\":\"u\"}]}",
			false},
		{&codec_agent_framework,
			"{\"type\": \"chat_message\", \"role\": {\"type\": \"role\", \"value\": "
			"\"tool\"}, \"contents\": [{\"type\": \"function_result\", \"call_id\": "
			"\"c\"}, "
			"{\"type\": \"text\", \"text\": \"t\"}], \"author_name\": \"n\"}",
			"tool", "t",
			"{\"author_name\":\"n\",\"blocks\":[{\"type\": \"function_result\", "
			"\"call_id\": \"c\"}]}",
			true},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_decoded(&rows[i]);
}

static void assert_role(const char *native, const char *role)
{
	char element[512];
	snprintf(element, sizeof(element), "{\"role\":\"%s\",\"content\":\"\"," ZEN_REST, native);
	struct layout_turn turn = decoded(&codec_zen, element);
	assert_string_equal(turn.role, role);
	assert_true(name_role_valid(turn.role));
	layout_turn_done(&turn);
}

static void test_N2__roles__lower_case_and_reduced_to_its_letters(void **state)
{
	static const char *const rows[][2] = {{"user", "user"}, {"Human", "user"},
		{"AI", "assistant"}, {"ASSISTANT", "assistant"}, {"Tool Call/2", "toolcall2"},
		{"_x-Y_9", "x-y_9"}, {"", "turn"}, {"\xd1\x8f", "turn"}, {"123", "turn"},
		{"a\\u0000b", "ab"}, {"h\\u0075man", "user"}, {"\\ud800", "turn"},
		{"abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz012345"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_role(rows[i][0], rows[i][1]);
}

static void test_M2__times__only_what_is_one(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {{WHEN, WHEN_NS},
		{"2025-10-13T02:47:00+00:00", WHEN_NS / 1000000000 * 1000000000},
		{"2025-10-13T04:47:00.123456+02:00", WHEN_NS}, {"", LAYOUT_TIME_NONE},
		{"yesterday", LAYOUT_TIME_NONE}, {WHEN "\\u0000", LAYOUT_TIME_NONE},
		{"9999-12-31T00:00:00+00:00", LAYOUT_TIME_NONE}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char element[256];
		snprintf(element, sizeof(element),
			"{\"role\":\"user\",\"content\":\"\",\"timestamp\":\"%s\"}", rows[i].text);
		struct layout_turn turn = decoded(&codec_zen, element);
		assert_int_equal(turn.time_ns, rows[i].ns);
		layout_turn_done(&turn);
	}
}

static int encode(const struct layout_codec *codec, const char *role, const char *text,
	const char *meta, struct blob **ret)
{
	struct layout_turn turn = {.time_ns = WHEN_NS};
	struct blob *blob CLEAN_BLOB = blob_new(text, strlen(text));
	struct blob *object CLEAN_BLOB = meta ? blob_new(meta, strlen(meta)) : NULL;
	strcpy(turn.role, role);
	turn.text = blob;
	turn.meta = object;
	return codec_encode(codec, &turn, ret);
}

static void test_W__metadata_with_a_place__goes_there(void **state)
{
	static const struct {
		const struct layout_codec *codec;
		const char *role, *meta, *element;
	} rows[] = {
		{&codec_zen, "user",
			"{\"files\" : [ ],\"other\":1,\"model_metadata\":{\"a\":[1.0e5, "
			"\"\\u00e9\"]}}",
			"{\"role\":\"user\",\"content\":\"t\",\"timestamp\":\"" WHEN
			"\",\"files\":[],\"images\":null,\"tool_name\":null,\"model_provider\":"
			"null,"
			"\"model_name\":null,\"model_metadata\":{\"a\":[1.0e5,\"é\"]}}"},
		{&codec_langchain, "tool", "{\"tool_call_id\":\"c\",\"id\":\"é\"}",
			"{\"type\": \"tool\", \"data\": {\"content\": \"t\", "
			"\"additional_kwargs\": {}, "
			"\"response_metadata\": {}, \"type\": \"tool\", \"name\": null, \"id\": "
			"\"\\u00e9\", \"tool_call_id\": \"c\", \"artifact\": null, \"status\": "
			"\"success\"}}"},
		{&codec_langchain_js, "assistant",
			"{\"usage_metadata\":{\"input_tokens\":1,\"output_tokens\":2,"
			"\"total_tokens\":3},\"type\":\"x\"}",
			"{\"type\":\"ai\",\"data\":{\"content\":\"t\",\"tool_calls\":[],"
			"\"invalid_tool_calls\":[],\"additional_kwargs\":{},\"response_metadata\":{"
			"},"
			"\"usage_metadata\":{\"input_tokens\":1,\"output_tokens\":2,"
			"\"total_tokens\":3}}}"},
		{&codec_openai_agents, "assistant", "{\"id\":\"m1\"}",
			"{\"content\":\"t\",\"role\":\"assistant\"}"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *element CLEAN_BLOB = NULL;
		assert_int_equal(
			encode(rows[i].codec, rows[i].role, "t", rows[i].meta, &element), 0);
		assert_string_equal(element->data, rows[i].element);
	}
	assert_true(codec_keeps(&codec_zen, "files"));
	assert_false(codec_keeps(&codec_zen, "other"));
	assert_false(codec_keeps(&codec_zen, "role"));
	assert_true(codec_keeps(&codec_langchain, "usage_metadata"));
	assert_false(codec_keeps(&codec_openai_agents, "id"));
}

static void test_W__what_the_tool_could_not_read__is_refused(void **state)
{
	static const struct {
		const struct layout_codec *codec;
		const char *role, *text, *meta;
	} rows[] = {{&codec_zen, "human", "t", NULL}, {&codec_zen, "ai", "t", NULL},
		{&codec_zen, "User", "t", NULL}, {&codec_zen, "", "t", NULL},
		{&codec_zen, "user", "\xff", NULL}, {&codec_zen, "user", "t", "[]"},
		{&codec_zen, "user", "t", "{"}, {&codec_zen, "user", "t", "{\"files\":\"a\"}"},
		{&codec_zen, "user", "t", "{\"files\":[1]}"},
		{&codec_zen, "user", "t", "{\"model_name\":1}"},
		{&codec_zen, "user", "t", "{\"model_metadata\":[]}"},
		{&codec_langchain, "tool", "t", NULL}, {&codec_langchain_js, "tool", "t", NULL},
		{&codec_langchain, "user", "t", "{\"name\":5}"},
		{&codec_langchain, "tool", "t", "{\"tool_call_id\":\"c\",\"status\":\"done\"}"},
		{&codec_langchain, "assistant", "t", "{\"tool_calls\":[{\"name\":\"n\"}]}"},
		{&codec_langchain, "assistant", "t", "{\"usage_metadata\":{\"input_tokens\":1}}"},
		{&codec_openai_agents, "tool", "t", NULL}, {&codec_llamaindex, "boss", "t", NULL},
		{&codec_agent_framework, "user", "t", "{\"additional_properties\":null}"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *element = NULL;
		int rc = encode(rows[i].codec, rows[i].role, rows[i].text, rows[i].meta, &element);
		assert_int_equal(rc, -EINVAL);
		assert_null(element);
	}
	struct layout_turn turn = {.role = "user", .time_ns = LAYOUT_TIME_NONE};
	struct blob *element = NULL;
	assert_int_equal(codec_encode(&codec_zen, &turn, &element), -EINVAL);
}

static void test_W__metadata_deeper_than_a_tool_reads__is_refused(void **state)
{
	char meta[1024] = "{\"model_metadata\":{\"a\":";
	size_t size = strlen(meta);
	memset(meta + size, '[', 300);
	memset(meta + size + 300, ']', 300);
	strcpy(meta + size + 600, "}}");
	struct blob *element = NULL;
	assert_int_equal(encode(&codec_zen, "user", "t", meta, &element), -EINVAL);
}

static void assert_patched(const struct layout_codec *codec, const char *element, const char *text,
	const char *expected)
{
	struct blob *patched CLEAN_BLOB = NULL;
	assert_int_equal(
		codec_patch(codec, element, strlen(element), text, strlen(text), &patched), 0);
	assert_string_equal(patched->data, expected);
}

static void test_W__patch__the_text_in_the_tools_escapes_and_nothing_else(void **state)
{
	static const char text[] = "é\n\x7f/";
	assert_patched(&codec_zen,
		" {\"role\":\"user\", \"content\" : \"x\",\"content\":\"\\u0078\" ,\"z\":1.0e5,\t"
		"\"timestamp\":\"never\",\"files\":[ ]}\n",
		text,
		" {\"role\":\"user\", \"content\" : \"x\",\"content\":\"é\\n\x7f/\" ,\"z\":1.0e5,\t"
		"\"timestamp\":\"never\",\"files\":[ ]}\n");
	assert_patched(&codec_langchain,
		"{\"data\":{\"id\":\"\\u00E9é\",\"content\":[{\"type\":\"image\"},\"x\"]},"
		"\"type\":\"AI\"}",
		text,
		"{\"data\":{\"id\":\"\\u00E9é\",\"content\":[{\"type\":\"image\"},"
		"\"\\u00e9\\n\\u007f/\"]},\"type\":\"AI\"}");
	assert_patched(&codec_langchain_js, "{\"type\":\"human\",\"text\":\"old\",\"role\":null}",
		text, "{\"type\":\"human\",\"text\":\"é\\n\x7f/\",\"role\":null}");
	assert_patched(&codec_openai_agents,
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"r\"},"
		"{\"text\":\"x\",\"type\":\"output_text\",\"logprobs\":[1E+2]}]}",
		text,
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"r\"},"
		"{\"text\":\"\\u00e9\\n\\u007f/\",\"type\":\"output_text\",\"logprobs\":[1E+2]}]}");
	assert_patched(&codec_llamaindex,
		"{\"role\":\"user\",\"blocks\":[{\"block_type\":\"text\",\"text\":\"x\"}]}", text,
		"{\"role\":\"user\",\"blocks\":[{\"block_type\":\"text\",\"text\":\"é\\n\x7f/"
		"\"}]}");
	assert_patched(&codec_llamaindex, "{\"role\": \"user\", \"content\": \"x\"}", text,
		"{\"role\": \"user\", \"content\": \"\\u00e9\\n\\u007f/\"}");
	assert_patched(&codec_agent_framework,
		"{\"role\": \"user\", \"contents\": [{\"text\": \"x\", \"type\": \"text\"}]}", text,
		"{\"role\": \"user\", \"contents\": [{\"text\": \"\\u00e9\\n\\u007f/\", \"type\": "
		"\"text\"}]}");
}

static void test_W__patch__without_exactly_one_text__is_refused(void **state)
{
	static const struct {
		const struct layout_codec *codec;
		const char *element;
		int rc;
	} rows[] = {
		{&codec_langchain, "{\"type\":\"ai\",\"data\":{\"content\":[\"a\",\"b\"]}}",
			-EPERM},
		{&codec_langchain, "{\"type\":\"ai\",\"data\":{\"content\":[]}}", -EPERM},
		{&codec_langchain, "{\"type\":\"ai\",\"data\":{\"content\":null}}", -EPERM},
		{&codec_openai_agents, "{\"type\":\"function_call\",\"arguments\":\"{}\"}", -EPERM},
		{&codec_openai_agents,
			"{\"type\":\"function_call_output\",\"output\":\"1\",\"call_id\":\"c\"}",
			-EPERM},
		{&codec_llamaindex, "{\"role\":\"user\",\"blocks\":[]}", -EPERM},
		{&codec_zen, "{\"role\":\"user\"}", -EBADMSG},
		{&codec_llamaindex, "{\"rol\":\"user\",\"content\":\"x\"}", -EBADMSG},
		{&codec_agent_framework, "{\"contents\":[\"x\"]}", -EBADMSG},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *patched = NULL;
		const char *element = rows[i].element;
		int rc = codec_patch(rows[i].codec, element, strlen(element), "t", 1, &patched);
		assert_int_equal(rc, rows[i].rc);
		assert_null(patched);
	}
	struct blob *patched = NULL;
	const char *element = plain[0].element;
	assert_int_equal(
		codec_patch(&codec_zen, element, strlen(element), "\xff", 1, &patched), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_W__a_plain_turn__is_written_as_the_tool_does_and_read_back),
		cmocka_unit_test(test_M1__metadata__what_is_worth_showing_as_it_is_spelled),
		cmocka_unit_test(test_N2__roles__lower_case_and_reduced_to_its_letters),
		cmocka_unit_test(test_M2__times__only_what_is_one),
		cmocka_unit_test(test_W__metadata_with_a_place__goes_there),
		cmocka_unit_test(test_W__what_the_tool_could_not_read__is_refused),
		cmocka_unit_test(test_W__metadata_deeper_than_a_tool_reads__is_refused),
		cmocka_unit_test(test_W__patch__the_text_in_the_tools_escapes_and_nothing_else),
		cmocka_unit_test(test_W__patch__without_exactly_one_text__is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
