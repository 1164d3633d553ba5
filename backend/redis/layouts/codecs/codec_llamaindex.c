/* LlamaIndex's chat messages: ChatMessage.model_dump_json(). */
#include "element.h"

#include <errno.h>
#include <string.h>

/* Old: {"role", "content", "additional_kwargs"}, by json.dumps(). */
static int locate(const char *data, struct json_range object, struct element *ret)
{
	static const char *const names[] = {"role", "blocks", "content"};
	struct json_range found[3];
	json_scan_members(data, object, names, 3, found);
	bool old = found[1].size == 0;
	ret->role = found[0];
	ret->text = old ? found[2] : found[1];
	if (ret->text.size == 0 || (!old && json_scan_kind(data, ret->text) != JSON_KIND_ARRAY))
		return -EBADMSG;
	if (old)
		ret->style = JSON_STYLE_ASCII;
	return 0;
}

static const struct place places[] = {
	{.key = "additional_kwargs", .kinds = JSON_KIND_OBJECT, .absent = "{}"},
	{.key = NULL},
};

/* Its MessageRole is an enumeration: a message with another one makes the tool's read fail. */
static const char *const roles[] = {
	"system", "developer", "user", "assistant", "function", "tool", "chatbot", "model", NULL};

static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	json_write_member(out, "role", turn->role);
	places_write(out, places, turn->role, blob_data(turn->meta), meta);
	json_write_key(out, "blocks");
	json_write_word(out, "[{");
	json_write_member(out, "block_type", "text");
	json_write_key(out, "text");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	json_write_word(out, "}]");
}

static const struct form form = {
	.style = JSON_STYLE_RAW,
	.locate = locate,
	.block_type = "block_type",
	.text_types = (const char *const[]){"text", NULL},
	.hidden = (const char *const[]){"role", "blocks", "content", NULL},
	.places = places,
	.roles = roles,
	.write = write_turn,
};

const struct layout_codec codec_llamaindex = {"llamaindex", &form};
