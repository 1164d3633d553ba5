/* Attributes as they stand in a side key's fields: a JSON object of those that were set. */
#include "side.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void record_done(struct record *record)
{
	blob_unref(record->meta);
	record->meta = NULL;
}

static bool read_number(const json_t *object, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(object, key);
	if (!json_is_integer(value))
		return false;
	*ret = json_integer_value(value);
	return true;
}

static uint32_t read_small(const json_t *object, const char *key, uint32_t max)
{
	int64_t value = 0;
	bool fits = read_number(object, key, &value) && value >= 0 && value <= max;
	return fits ? (uint32_t)value : 0;
}

/* Hashes and revisions use all 64 bits, which JSON's readers elsewhere do not. */
static uint64_t read_hex(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return 0;
	return strtoull(text, NULL, 16);
}

static bool read_meta(const json_t *object, struct record *ret)
{
	const json_t *meta = json_object_get(object, "meta");
	if (!meta || !(json_is_object(meta) || json_is_null(meta)))
		return true;
	ret->set |= SET_META;
	ret->meta = json_is_object(meta) ? json_text(meta, 0) : NULL;
	return ret->meta || json_is_null(meta);
}

bool record_read(const struct blob *text, struct record *ret)
{
	*ret = (struct record){0};
	json_auto_t *object = text ? json_parse(blob_data(text), blob_size(text)) : NULL;
	if (!json_is_object(object))
		return false;
	int64_t size = 0;
	ret->set |= json_object_get(object, "mode") ? SET_MODE : 0;
	ret->set |= json_object_get(object, "uid") ? SET_OWNER : 0;
	ret->mode = read_small(object, "mode", 07777);
	ret->uid = read_small(object, "uid", UINT32_MAX);
	ret->gid = read_small(object, "gid", UINT32_MAX);
	ret->flags = read_small(object, "flags", UINT32_MAX);
	ret->set |= read_number(object, "mtime", &ret->mtime_ns) ? SET_MTIME : 0;
	ret->set |= read_number(object, "created", &ret->created_ns) ? SET_CREATED : 0;
	read_number(object, "ctime", &ret->ctime_ns);
	ret->of = read_hex(object, "of");
	ret->ino = read_hex(object, "ino");
	ret->revision = read_hex(object, "revision");
	ret->size = read_number(object, "size", &size) && size > 0 ? (uint64_t)size : 0;
	return read_meta(object, ret);
}

static void put_number(json_t *object, const char *key, int64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

static void put_hex(json_t *object, const char *key, uint64_t value)
{
	char text[17];
	snprintf(text, sizeof(text), "%016" PRIx64, value);
	if (value)
		json_object_set_new(object, key, json_string(text));
}

static void put_some(json_t *object, const char *key, int64_t value)
{
	if (value)
		put_number(object, key, value);
}

struct blob *record_text(const struct record *r)
{
	json_auto_t *object = json_object();
	put_hex(object, "ino", r->ino);
	put_hex(object, "revision", r->revision);
	put_hex(object, "of", r->of);
	put_some(object, "size", (int64_t)r->size);
	put_some(object, "flags", r->flags);
	if (r->set & SET_MODE)
		put_number(object, "mode", r->mode);
	if (r->set & SET_OWNER) {
		put_number(object, "uid", r->uid);
		put_number(object, "gid", r->gid);
	}
	if (r->set & SET_MTIME)
		put_number(object, "mtime", r->mtime_ns);
	if (r->set & SET_CREATED)
		put_number(object, "created", r->created_ns);
	put_some(object, "ctime", r->ctime_ns);
	if (r->set & SET_META) {
		json_t *meta = r->meta ? json_parse(blob_data(r->meta), blob_size(r->meta)) : NULL;
		json_object_set_new(object, "meta", meta ? meta : json_null());
	}
	return json_text(object, 0);
}
