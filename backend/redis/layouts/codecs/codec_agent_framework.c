/* Microsoft Agent Framework's messages: json.dumps(message.to_dict()). */
#include "element.h"

#include <errno.h>

enum { TEXT_OR_NULL = JSON_KIND_STRING | JSON_KIND_NULL };

/* Until 2026 a role was an object: {"type": "role", "value": "user"}. */
static int locate(const char *data, struct json_range object, struct element *ret)
{
	static const char *const names[] = {"role", "contents"};
	struct json_range found[2];
	json_scan_members(data, object, names, 2, found);
	if (json_scan_kind(data, found[1]) != JSON_KIND_ARRAY)
		return -EBADMSG;
	bool wrapped = json_scan_kind(data, found[0]) == JSON_KIND_OBJECT;
	ret->role = wrapped ? json_scan_member(data, found[0], "value") : found[0];
	ret->text = found[1];
	return 0;
}

static const struct place places[] = {
	{.key = "author_name", .kinds = TEXT_OR_NULL},
	{.key = "message_id", .kinds = TEXT_OR_NULL},
	{.key = "additional_properties", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = NULL},
};

static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	json_write_member(out, "type", "chat_message");
	json_write_member(out, "role", turn->role);
	json_write_key(out, "contents");
	json_write_word(out, "[{");
	json_write_member(out, "type", "text");
	json_write_key(out, "text");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	json_write_word(out, "}]");
	places_write(out, places, turn->role, blob_data(turn->meta), meta);
}

static const struct form form = {
	.style = JSON_STYLE_ASCII,
	.locate = locate,
	.block_type = "type",
	.text_types = (const char *const[]){"text", NULL},
	.hidden = (const char *const[]){"type", "role", "contents", NULL},
	.places = places,
	.write = write_turn,
};

const struct layout_codec codec_agent_framework = {"agent-framework", &form};
