/* What the tests of the codecs share: how each tool writes a plain message. */
#pragma once

#include "redis/layouts/codecs/codec.h"

#include "unit.h"

#include <string.h>

#define WHEN "2025-10-13T02:47:00.123456+00:00"
#define WHEN_NS INT64_C(1760323620123456000)
#define ZEN_REST                                                                                   \
	"\"timestamp\":\"" WHEN "\",\"files\":null,\"images\":null,\"tool_name\":null,"            \
	"\"model_provider\":null,\"model_name\":null,\"model_metadata\":null}"

static inline struct layout_turn decoded(const struct layout_codec *codec, const char *element)
{
	struct layout_turn turn;
	assert_int_equal(codec_decode(codec, element, strlen(element), &turn), 0);
	return turn;
}

struct row {
	const struct layout_codec *codec;
	const char *element, *role, *text, *meta; /* NULL: none */
	bool patchable;
};

static inline void assert_decoded(const struct row *row)
{
	struct layout_turn turn = decoded(row->codec, row->element);
	assert_string_equal(turn.role, row->role);
	assert_string_equal(turn.text->data, row->text);
	if (row->meta)
		assert_string_equal(turn.meta->data, row->meta);
	else
		assert_null(turn.meta);
	assert_int_equal(turn.patchable, row->patchable);
	layout_turn_done(&turn);
}

/* What each tool writes for a plain message: read, and written by us, to the byte. */
static const struct row plain[] = {
	{&codec_zen, "{\"role\":\"user\",\"content\":\"hi é\"," ZEN_REST, "user", "hi é", NULL,
		true},
	{&codec_langchain,
		"{\"type\": \"human\", \"data\": {\"content\": \"hi \\u00e9\", "
		"\"additional_kwargs\": {}, \"response_metadata\": {}, \"type\": \"human\", "
		"\"name\": null, \"id\": null}}",
		"user", "hi é", NULL, true},
	{&codec_langchain,
		"{\"type\": \"ai\", \"data\": {\"content\": \"hi\", \"additional_kwargs\": {}, "
		"\"response_metadata\": {}, \"type\": \"ai\", \"name\": null, \"id\": null, "
		"\"tool_calls\": [], \"invalid_tool_calls\": [], \"usage_metadata\": null}}",
		"assistant", "hi", NULL, true},
	{&codec_langchain,
		"{\"type\": \"chat\", \"data\": {\"content\": \"hi\", \"additional_kwargs\": {}, "
		"\"response_metadata\": {}, \"type\": \"chat\", \"name\": null, \"id\": null, "
		"\"role\": \"boss\"}}",
		"boss", "hi", NULL, true},
	{&codec_langchain_js,
		"{\"type\":\"human\",\"data\":{\"content\":\"hi é\",\"additional_kwargs\":{},"
		"\"response_metadata\":{}}}",
		"user", "hi é", NULL, true},
	{&codec_langchain_js,
		"{\"type\":\"ai\",\"data\":{\"content\":\"hi\",\"tool_calls\":[],"
		"\"invalid_tool_calls\":[],\"additional_kwargs\":{},\"response_metadata\":{}}}",
		"assistant", "hi", NULL, true},
	{&codec_langchain_js,
		"{\"type\":\"generic\",\"data\":{\"content\":\"hi\",\"role\":\"boss\","
		"\"additional_kwargs\":{},\"response_metadata\":{}}}",
		"boss", "hi", NULL, true},
	{&codec_openai_agents, "{\"content\":\"hi \\u00e9\",\"role\":\"user\"}", "user", "hi é",
		NULL, true},
	{&codec_llamaindex,
		"{\"role\":\"user\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"text\","
		"\"text\":\"hi é\"}]}",
		"user", "hi é", NULL, true},
	{&codec_agent_framework,
		"{\"type\": \"chat_message\", \"role\": \"user\", \"contents\": [{\"type\": "
		"\"text\", \"text\": \"hi \\u00e9\"}], \"additional_properties\": {}}",
		"user", "hi é", NULL, true},
};
