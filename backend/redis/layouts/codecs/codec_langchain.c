/* LangChain's messages as its Python writes them: json.dumps(message_to_dict(message)). */
#include "langchain.h"

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

static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	struct json_range values[PLACES_MAX];
	const char *data = blob_data(turn->meta), *known = langchain_type(turn->role);
	const char *type = known ? known : "chat";
	size_t count = places_find(data, meta, places, values);
	json_write_member(out, "type", type);
	json_write_key(out, "data");
	json_write_word(out, "{");
	json_write_key(out, "content");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	for (size_t i = 0; i < count; i++) {
		if (i == BEFORE_TYPE)
			json_write_member(out, "type", type);
		place_write(out, &places[i], turn->role, data, values[i]);
	}
	if (!known)
		json_write_member(out, "role", turn->role);
	json_write_word(out, "}");
}

static const struct form form = {
	.style = JSON_STYLE_ASCII,
	.locate = locate,
	.block_type = "type",
	.text_types = (const char *const[]){"text", NULL},
	.hidden = (const char *const[]){"type", "content", "role", "example", NULL},
	.places = places,
	.write = write_turn,
};

const struct layout_codec codec_langchain = {"langchain", &form};
