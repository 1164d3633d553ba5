/* Decoding and patching, for all codecs; see element.h. */
#include "element_meta.h"

#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

void layout_turn_done(struct layout_turn *turn)
{
	if (!turn)
		return;
	blob_unref(turn->text);
	blob_unref(turn->meta);
	turn->text = turn->meta = NULL;
}

static bool listed(const char *data, struct json_range value, const char *const *names)
{
	for (; *names; names++)
		if (json_scan_is(data, value, *names))
			return true;
	return false;
}

/* Where a block's text lies; size 0: it is no text. */
static struct json_range block_text(
	const struct form *form, const char *data, struct json_range block)
{
	const struct json_range none = {0};
	if (json_scan_kind(data, block) == JSON_KIND_STRING)
		return block;
	const char *const names[] = {form->block_type, "text"};
	struct json_range found[2];
	json_scan_members(data, block, names, 2, found);
	bool text = listed(data, found[0], form->text_types) &&
		    json_scan_kind(data, found[1]) == JSON_KIND_STRING;
	return text ? found[1] : none;
}

/* The text blocks of an element: how many, the last of them, and if wanted what they all say. */
struct texts {
	size_t count;
	struct json_range last;
	struct blob *said;
	struct json_out others; /* the blocks that are none */
};

static int texts_add(
	const struct form *form, const char *data, struct json_range block, struct texts *texts)
{
	struct json_range text = block_text(form, data, block);
	if (text.size == 0) {
		json_write_next(&texts->others);
		element_show(&texts->others, data, text, block);
		return texts->others.rc;
	}
	int r = texts->count++ ? blob_write(&texts->said, blob_size(texts->said), "\n\n", 2) : 0;
	texts->last = text;
	return r < 0 ? r : json_scan_text(data, text, &texts->said);
}

static int texts_take(
	const struct form *form, const char *data, struct json_range text, struct texts *texts)
{
	enum json_kind kind = json_scan_kind(data, text);
	if (kind == JSON_KIND_STRING)
		return texts_add(form, data, text, texts);
	if (kind != JSON_KIND_ARRAY)
		return kind == JSON_KIND_NULL || kind == JSON_KIND_NONE ? 0 : -EBADMSG;
	struct json_walk walk = json_scan_walk(data, text);
	int r = 0;
	while (r == 0 && json_scan_next(&walk))
		r = texts_add(form, data, walk.value, texts);
	return r;
}

static int locate(const struct form *form, const char *data, size_t size, struct element *ret)
{
	struct json_range object;
	int r = json_scan(data, size, &object, NULL);
	if (r < 0)
		return r;
	if (json_scan_kind(data, object) != JSON_KIND_OBJECT)
		return -EBADMSG;
	*ret = (struct element){.members = object, .hidden = form->hidden, .style = form->style};
	r = form->locate(data, object, ret);
	if (r == 0 && !ret->role_said && json_scan_kind(data, ret->role) != JSON_KIND_STRING)
		return -EBADMSG;
	return r;
}

void element_role(const char *text, size_t size, char ret[ROLE_MAX_BYTES + 1])
{
	size_t out = 0;
	for (size_t i = 0; i < size && out < ROLE_MAX_BYTES; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
		bool letter = c >= 'a' && c <= 'z';
		if (letter || (out > 0 && ((c >= '0' && c <= '9') || c == '_' || c == '-')))
			ret[out++] = c;
	}
	ret[out] = '\0';
	const char *other = out == 0			? "turn"
			    : strcmp(ret, "human") == 0 ? "user"
			    : strcmp(ret, "ai") == 0	? "assistant"
							: NULL;
	if (other)
		strcpy(ret, other);
}

static int decode_role(
	const char *data, const struct element *element, char ret[ROLE_MAX_BYTES + 1])
{
	if (element->role_said) {
		element_role(element->role_said, strlen(element->role_said), ret);
		return 0;
	}
	struct blob *text CLEAN_BLOB = NULL;
	int r = json_scan_text(data, element->role, &text);
	if (r == 0)
		element_role(blob_data(text), blob_size(text), ret);
	return r;
}

int64_t element_time(const char *data, struct json_range value)
{
	int64_t ns;
	struct blob *text CLEAN_BLOB = NULL;
	if (json_scan_kind(data, value) != JSON_KIND_STRING || value.size > TEXT_TIME_MAX ||
		json_scan_text(data, value, &text) < 0 ||
		strlen(blob_data(text)) != blob_size(text) ||
		text_time_parse(blob_data(text), &ns) < 0)
		return LAYOUT_TIME_NONE;
	return ns;
}

int codec_decode(
	const struct layout_codec *codec, const char *data, size_t size, struct layout_turn *ret)
{
	const struct form *form = codec->form;
	struct element element;
	struct texts texts = {.others = {.style = JSON_STYLE_RAW}};
	struct layout_turn turn = {0};
	int r = locate(form, data, size, &element);
	if (r == 0)
		r = decode_role(data, &element, turn.role);
	if (r == 0)
		r = texts_take(form, data, element.text, &texts);
	struct blob *others CLEAN_BLOB = texts.others.text, *said CLEAN_BLOB = texts.said;
	if (r == 0)
		r = element_meta(form, data, &element, others, &turn.meta);
	if (r < 0)
		return r;
	turn.text = said ? blob_ref(said) : blob_new("", 0);
	turn.time_ns = element_time(data, element.time);
	turn.patchable = texts.count == 1 && !element.fixed;
	if (!turn.text) {
		layout_turn_done(&turn);
		return -ENOMEM;
	}
	*ret = turn;
	return 0;
}

int codec_patch(const struct layout_codec *codec, const char *data, size_t size, const char *text,
	size_t text_size, struct blob **ret)
{
	const struct form *form = codec->form;
	struct element element;
	struct texts texts = {.others = {.style = JSON_STYLE_RAW}};
	if (!utf8_valid(text, text_size))
		return -EINVAL;
	int r = locate(form, data, size, &element);
	if (r == 0)
		r = texts_take(form, data, element.text, &texts);
	blob_unref(texts.said);
	blob_unref(texts.others.text);
	if (r < 0)
		return r;
	if (texts.count != 1 || element.fixed)
		return -EPERM;
	struct json_out out = {.style = element.style};
	size_t end = texts.last.start + texts.last.size;
	json_write_bytes(&out, data, texts.last.start);
	json_write_string(&out, text, text_size);
	json_write_bytes(&out, data + end, size - end);
	return json_write_end(&out, ret);
}

static bool role_sayable(const struct form *form, const char *role)
{
	char read_back[ROLE_MAX_BYTES + 1];
	element_role(role, strlen(role), read_back);
	if (strcmp(read_back, role) != 0)
		return false;
	const char *const *known = form->roles;
	while (known && *known && strcmp(*known, role) != 0)
		known++;
	return !known || *known;
}

static int meta_find(const struct blob *meta, struct json_range *ret)
{
	*ret = (struct json_range){0};
	if (!meta)
		return 0;
	int r = json_scan(blob_data(meta), blob_size(meta), ret, NULL);
	return r < 0 || json_scan_kind(blob_data(meta), *ret) != JSON_KIND_OBJECT ? -EINVAL : 0;
}

int codec_encode(
	const struct layout_codec *codec, const struct layout_turn *turn, struct blob **ret)
{
	const struct form *form = codec->form;
	struct json_range meta;
	struct json_out out = {.style = form->style};
	if (!role_sayable(form, turn->role) ||
		!utf8_valid(blob_data(turn->text), blob_size(turn->text)))
		return -EINVAL;
	int r = meta_find(turn->meta, &meta);
	if (r < 0)
		return r;
	json_write_word(&out, "{");
	form->write(&out, turn, meta);
	json_write_word(&out, "}");
	return json_write_end(&out, ret);
}

bool codec_keeps(const struct layout_codec *codec, const char *key)
{
	return places_have(codec->form->places, key);
}
