/* Items of the OpenAI Agents SDK: messages, and what a model called, got back and thought. */
#include "element.h"

#include <errno.h>
#include <string.h>

/* Whose an item is that is no message, and which member is its text, as a list of one. */
static const struct item {
	const char *type, *role, *text[2];
} items[] = {
	{"function_call", "assistant", {"arguments"}},
	{"function_call_output", "tool", {"output"}},
	{"reasoning", "assistant", {"summary"}},
};
static const struct item item_other = {.role = "assistant", .text = {""}};

static const struct item *item_find(const char *data, struct json_range type)
{
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++)
		if (json_scan_is(data, type, items[i].type))
			return &items[i];
	return &item_other;
}

/*
 * No item's text is patched: a call and its output belong together, a summary is the model's. What
 * else it has, its type too, is worth showing.
 */
static int locate_item(
	const char *data, struct json_range object, struct json_range type, struct element *ret)
{
	const unsigned texts = JSON_KIND_STRING | JSON_KIND_ARRAY;
	if (json_scan_kind(data, type) != JSON_KIND_STRING)
		return -EBADMSG;
	const struct item *item = item_find(data, type);
	struct json_range text = json_scan_member(data, object, item->text[0]);
	bool is_text = json_scan_kind(data, text) & texts;
	ret->role_said = item->role;
	ret->fixed = true;
	ret->hidden = is_text ? item->text : &item->text[1];
	if (is_text)
		ret->text = text;
	return 0;
}

static int locate(const char *data, struct json_range object, struct element *ret)
{
	static const char *const names[] = {"type", "role", "content"};
	struct json_range found[3];
	json_scan_members(data, object, names, 3, found);
	if (found[1].size == 0)
		return locate_item(data, object, found[0], ret);
	if (found[2].size == 0)
		return -EBADMSG;
	ret->role = found[1];
	ret->text = found[2];
	return 0;
}

static const char *const roles[] = {"user", "assistant", "system", "developer", NULL};

/*
 * The short form of a message, for assistants too: the long one has an id that only the service
 * gives, and that it refuses when it does not know it.
 */
static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	json_write_key(out, "content");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	json_write_member(out, "role", turn->role);
}

static const struct form form = {
	.style = JSON_STYLE_ASCII_COMPACT,
	.locate = locate,
	.block_type = "type",
	.text_types =
		(const char *const[]){"input_text", "output_text", "text", "summary_text", NULL},
	.hidden = (const char *const[]){"type", "role", "content", NULL},
	.places = (const struct place[]){{.key = NULL}},
	.roles = roles,
	.write = write_turn,
};

const struct layout_codec codec_openai_agents = {"openai-agents", &form};
