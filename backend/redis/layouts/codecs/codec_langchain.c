/* LangChain's messages as its Python writes them: json.dumps(message_to_dict(message)). */
#include "langchain.h"

#include <errno.h>

enum { TEXT_OR_NULL = JSON_KIND_STRING | JSON_KIND_NULL };

static int locate(const char *data, struct json_range object, struct element *ret)
{
	return langchain_locate(data, object, "chat", ret);
}

/* In the order of the models' fields (langchain-core 1); "type" comes before the name. */
enum { BEFORE_TYPE = 2 };
static const struct place places[] = {
	{.key = "additional_kwargs", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = "response_metadata", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = "name", .kinds = TEXT_OR_NULL, .absent = "null"},
	{.key = "id", .kinds = TEXT_OR_NULL, .absent = "null"},
	{.key = "tool_calls",
		.kinds = JSON_KIND_ARRAY,
		.inside = langchain_tool_call,
		.absent = "[]",
		.role = "assistant"},
	{.key = "invalid_tool_calls",
		.kinds = JSON_KIND_ARRAY,
		.inside = langchain_invalid_call,
		.absent = "[]",
		.role = "assistant"},
	{.key = "usage_metadata",
		.kinds = JSON_KIND_OBJECT | JSON_KIND_NULL,
		.inside = langchain_usage,
		.absent = "null",
		.role = "assistant"},
	{.key = "tool_call_id", .kinds = JSON_KIND_STRING, .needed = true, .role = "tool"},
	{.key = "artifact", .kinds = JSON_KIND_ANY, .absent = "null", .role = "tool"},
	{.key = "status",
		.kinds = JSON_KIND_STRING,
		.words = langchain_statuses,
		.absent = "\"success\"",
		.role = "tool"},
	{.key = NULL},
};

static const struct form form = {
	.style = JSON_STYLE_ASCII,
	.locate = locate,
	.block_type = "type",
	.text_types = (const char *const[]){"text", NULL},
	.hidden = (const char *const[]){"type", "content", "role", "example", NULL},
	.places = places,
};

static int decode(const char *data, size_t size, struct layout_turn *ret)
{
	return element_decode(&form, data, size, ret);
}

static int patch(
	const char *data, size_t size, const char *text, size_t text_size, struct blob **ret)
{
	return element_patch(&form, data, size, text, text_size, ret);
}

static void write_type(struct json_out *out, const char *role)
{
	const char *type = langchain_type(role);
	json_write_key(out, "type");
	json_write_name(out, type ? type : "chat");
}

static void write_data(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	struct json_range values[PLACES_MAX];
	size_t count = places_find(blob_data(turn->meta), meta, places, values);
	json_write_key(out, "content");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	for (size_t i = 0; i < count; i++) {
		if (i == BEFORE_TYPE)
			write_type(out, turn->role);
		place_write(out, &places[i], turn->role, blob_data(turn->meta), values[i]);
	}
	if (!langchain_type(turn->role)) {
		json_write_key(out, "role");
		json_write_name(out, turn->role);
	}
}

static int encode(const struct layout_turn *turn, struct blob **ret)
{
	struct json_range meta;
	struct json_out out = {.style = form.style};
	int r = element_check(turn, &meta);
	if (r < 0)
		return r;
	json_write_word(&out, "{");
	write_type(&out, turn->role);
	json_write_key(&out, "data");
	json_write_word(&out, "{");
	write_data(&out, turn, meta);
	json_write_word(&out, "}}");
	return json_write_end(&out, ret);
}

static bool encode_keeps(const char *key)
{
	return places_have(places, key);
}

const struct layout_codec codec_langchain = {"langchain", decode, encode, patch, encode_keeps};
