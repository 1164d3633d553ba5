/* A zen thread's own members, beside its turns: a new thread's, and others; see zen_value.h. */
#include "zen_value.h"

#include "base/json.h"
#include "base/utf8.h"

#include "element.h"
#include "zen_parts.h"

#include <errno.h>
#include <string.h>

/* Where the members lie in an object of own ones; size 0 if there is none. */
static int own_find(const struct blob *own, struct json_range *ret)
{
	*ret = (struct json_range){0};
	if (!own)
		return 0;
	int r = json_scan(blob_data(own), blob_size(own), ret, NULL);
	if (r < 0 || json_scan_kind(blob_data(own), *ret) != JSON_KIND_OBJECT)
		return -EINVAL;
	return 0;
}

static void write_member(
	struct json_out *out, const char *thread_id, int64_t now_ns, enum zen_member member)
{
	json_write_key(out, zen_thread_members[member].key);
	if (member == ZEN_THREAD_ID)
		json_write_name(out, thread_id);
	else if (member == ZEN_TURNS)
		json_write_word(out, "[]");
	else
		zen_write_time(out, now_ns);
}

int zen_value_create(
	const char *thread_id, int64_t now_ns, const struct blob *own, struct blob **ret)
{
	struct json_range object, values[PLACES_MAX];
	struct json_out out = {.style = JSON_STYLE_RAW};
	int r = utf8_valid(thread_id, strlen(thread_id)) ? own_find(own, &object) : -EINVAL;
	if (r < 0)
		return r;
	json_write_word(&out, "{");
	size_t count = places_find(blob_data(own), object, zen_thread_members, values);
	for (size_t i = 0; i < count; i++)
		if (zen_member_own(i))
			place_write(&out, &zen_thread_members[i], "", blob_data(own), values[i]);
		else
			write_member(&out, thread_id, now_ns, i);
	json_write_word(&out, "}");
	return json_write_end(&out, ret);
}

/* Whether a member already shows as that value: then it keeps its bytes. */
static bool shows_as(const struct zen_parts *parts, struct json_range old, const char *data,
	struct json_range new)
{
	struct json_out out = {.style = JSON_STYLE_RAW};
	struct blob *shown CLEAN_BLOB = NULL;
	element_show(&out, parts->data, (struct json_range){0}, old);
	if (json_write_end(&out, &shown) < 0)
		return false;
	json_auto_t *before = json_parse(blob_data(shown), blob_size(shown));
	json_auto_t *after = json_parse(data + new.start, new.size);
	return before && after && json_equal(before, after);
}

/* What has no place in this thread is ignored; what is not said becomes null if it may be. */
static int own_change(struct zen_edits *edits, const struct zen_parts *parts, size_t member,
	const char *data, struct json_range new)
{
	const struct place *place = &zen_thread_members[member];
	struct json_range old = parts->members[member];
	if (old.size == 0 || (new.size == 0 && place->needed))
		return 0;
	if (new.size > 0 && shows_as(parts, old, data, new))
		return 0;
	struct json_out *out = zen_edit(edits, old);
	if (new.size == 0)
		json_write_word(out, "null");
	else
		place_write_value(out, place, data, new);
	return out->rc;
}

int zen_value_set_own(const char *data, size_t size, const struct blob *own, int64_t updated_ns,
	struct blob **ret)
{
	struct zen_parts parts;
	struct zen_edits edits = {0};
	struct json_range object, values[PLACES_MAX];
	int r = zen_parts_find(data, size, &parts);
	if (r == 0)
		r = own_find(own, &object);
	if (r < 0)
		return r;
	size_t count = places_find(blob_data(own), object, zen_thread_members, values);
	for (size_t i = 0; i < count && r == 0; i++)
		if (zen_member_own(i))
			r = own_change(&edits, &parts, i, blob_data(own), values[i]);
	if (r < 0) {
		zen_edits_done(&edits);
		return r;
	}
	return zen_edits_apply(&parts, &edits, updated_ns, ret);
}
