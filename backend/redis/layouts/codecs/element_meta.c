/* What of an element is shown as a turn's metadata; see element.h. */
#include "element_meta.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

/* Leaves room under jansson's 2048 for what the mount puts around it. */
enum { SHOWN_DEPTH_MAX = 1000 };

/* Whether jansson takes it, inside a document of ours too. */
static bool jansson_reads(const char *data, struct json_range value)
{
	struct json_range whole;
	size_t depth;
	int r = json_scan(data + value.start, value.size, &whole, &depth);
	if (r < 0 || depth > SHOWN_DEPTH_MAX)
		return false;
	json_t *parsed = json_parse(data + value.start, value.size);
	json_decref(parsed);
	return parsed;
}

/* A string is always written anew: a lone surrogate in it would be refused. */
static void show_value(struct json_out *out, const char *data, struct json_range value)
{
	enum json_kind kind = json_scan_kind(data, value);
	if (kind == JSON_KIND_STRING)
		json_write_value(out, data, value);
	else if (jansson_reads(data, value))
		json_write_bytes(out, data + value.start, value.size);
	else
		json_write_string(out, data + value.start, value.size);
}

static void show_key(struct json_out *out, const struct blob *key)
{
	json_write_next(out);
	json_write_string(out, blob_data(key), blob_size(key));
	json_write_word(out, ":");
}

void element_show(
	struct json_out *out, const char *data, struct json_range key, struct json_range value)
{
	struct blob *name CLEAN_BLOB = NULL;
	if (key.size > 0) {
		int r = json_scan_text(data, key, &name);
		if (r < 0 && out->rc == 0)
			out->rc = r;
		if (memchr(blob_data(name), '\0', blob_size(name)))
			return;
		show_key(out, name);
	}
	show_value(out, data, value);
}

static bool says_nothing(const char *data, struct json_range value, const struct place *place)
{
	if (value.size == 0)
		return true;
	const char *absent = place->absent ? place->absent : "null";
	return value.size == strlen(absent) && memcmp(data + value.start, absent, value.size) == 0;
}

/* Or has been shown already. */
static bool is_hidden(
	const struct form *form, const char *const *hidden, const char *data, struct json_range key)
{
	for (; *hidden; hidden++)
		if (json_scan_is(data, key, *hidden))
			return true;
	for (const struct place *place = form->places; place->key; place++)
		if (json_scan_is(data, key, place->key))
			return true;
	return false;
}

/* Members with a place first, if they say something, then those nobody knows, all of them. */
static void show_members(struct json_out *out, const struct form *form, const char *data,
	const struct element *element)
{
	struct json_range object = element->members;
	struct json_range values[PLACES_MAX];
	size_t count = places_find(data, object, form->places, values);
	for (size_t i = 0; i < count; i++) {
		if (says_nothing(data, values[i], &form->places[i]))
			continue;
		json_write_key(out, form->places[i].key);
		show_value(out, data, values[i]);
	}
	struct json_walk walk = json_scan_walk(data, object);
	while (json_scan_next(&walk))
		if (!is_hidden(form, element->hidden, data, walk.key))
			element_show(out, data, walk.key, walk.value);
}

int element_meta(const struct form *form, const char *data, const struct element *element,
	const struct blob *blocks, struct blob **ret)
{
	struct json_out out = {.style = JSON_STYLE_RAW};
	json_write_word(&out, "{");
	show_members(&out, form, data, element);
	if (blob_size(blocks) > 0) {
		json_write_key(&out, "blocks");
		json_write_word(&out, "[");
		json_write_bytes(&out, blob_data(blocks), blob_size(blocks));
		json_write_word(&out, "]");
	}
	json_write_word(&out, "}");
	struct blob *text = NULL;
	int r = json_write_end(&out, &text);
	if (r < 0)
		return r;
	if (blob_size(text) > 2)
		*ret = text;
	else
		blob_unref(text);
	return 0;
}
