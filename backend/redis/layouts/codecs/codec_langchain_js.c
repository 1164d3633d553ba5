/* LangChain's messages as its JavaScript writes them: JSON.stringify(message.toDict()). */
#include "langchain.h"

#include <errno.h>

enum { TEXT_OR_NULL = JSON_KIND_STRING | JSON_KIND_NULL };

/* Old: {"type": …, "role": …, "text": …}, without data. */
static int locate(const char *data, struct json_range object, struct element *ret)
{
	static const char *const names[] = {"data", "type", "role", "text"};
	static const char *const hidden[] = {"type", "role", "text", NULL};
	struct json_range found[4];
	json_scan_members(data, object, names, 4, found);
	if (found[0].size > 0)
		return langchain_locate(data, object, "generic", ret);
	if (json_scan_kind(data, found[1]) != JSON_KIND_STRING || found[3].size == 0)
		return -EBADMSG;
	ret->role = json_scan_is(data, found[1], "generic") ? found[2] : found[1];
	ret->text = found[3];
	ret->hidden = hidden;
	return 0;
}

/* In the order in which the constructors of @langchain/core 1 make the fields. */
static const struct place places[] = {
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
	{.key = "tool_call_id", .kinds = JSON_KIND_STRING, .needed = true, .role = "tool"},
	{.key = "additional_kwargs", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = "response_metadata", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = "id", .kinds = TEXT_OR_NULL},
	{.key = "name", .kinds = TEXT_OR_NULL},
	{.key = "usage_metadata", .kinds = JSON_KIND_OBJECT, .inside = langchain_usage},
	{.key = "artifact", .kinds = JSON_KIND_ANY},
	{.key = "status", .kinds = JSON_KIND_STRING, .words = langchain_statuses},
	{.key = NULL},
};

static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	const char *type = langchain_type(turn->role);
	json_write_member(out, "type", type ? type : "generic");
	json_write_key(out, "data");
	json_write_word(out, "{");
	json_write_key(out, "content");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	if (!type)
		json_write_member(out, "role", turn->role);
	places_write(out, places, turn->role, blob_data(turn->meta), meta);
	json_write_word(out, "}");
}

static const struct form form = {
	.style = JSON_STYLE_RAW,
	.locate = locate,
	.block_type = "type",
	.text_types = (const char *const[]){"text", NULL},
	.hidden = (const char *const[]){"type", "content", "role", NULL},
	.places = places,
	.write = write_turn,
};

const struct layout_codec codec_langchain_js = {"langchain-js", &form};
