/* The whole value of a zen thread; see zen_value.h. */
#include "zen_value.h"

#include "element.h"
#include "zen_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int take_turns(const struct zen_parts *parts, struct zen_value *ret)
{
	struct json_walk walk = json_scan_walk(parts->data, parts->members[ZEN_TURNS]);
	size_t room = 0;
	while (json_scan_next(&walk)) {
		if (ret->count == room) {
			room = room ? room * 2 : 64;
			void *more = reallocarray(ret->turns, room, sizeof(*ret->turns));
			if (!more)
				return -ENOMEM;
			ret->turns = more;
		}
		ret->turns[ret->count++] = (struct zen_range){walk.value.start, walk.value.size};
	}
	return 0;
}

static int take_own(const struct zen_parts *parts, struct blob **ret)
{
	struct json_out out = {.style = JSON_STYLE_RAW};
	struct json_walk walk = json_scan_walk(parts->data, parts->object);
	json_write_word(&out, "{");
	while (json_scan_next(&walk)) {
		bool own = true;
		for (size_t i = 0; zen_thread_members[i].key; i++)
			if (!zen_member_own(i) &&
				json_scan_is(parts->data, walk.key, zen_thread_members[i].key))
				own = false;
		if (own)
			element_show(&out, parts->data, walk.key, walk.value);
	}
	json_write_word(&out, "}");
	return json_write_end(&out, ret);
}

void zen_value_done(struct zen_value *value)
{
	if (!value)
		return;
	free(value->turns);
	blob_unref(value->own);
	blob_unref(value->thread_id);
	*value = (struct zen_value){0};
}

static struct zen_range range_of(struct json_range range)
{
	return (struct zen_range){range.start, range.size};
}

int zen_value_parse(const char *data, size_t size, struct zen_value *ret)
{
	struct zen_parts parts;
	struct zen_value value = {0};
	int r = zen_parts_find(data, size, &parts);
	if (r == 0)
		r = take_turns(&parts, &value);
	if (r == 0)
		r = json_scan_text(data, parts.members[ZEN_THREAD_ID], &value.thread_id);
	if (r == 0)
		r = take_own(&parts, &value.own);
	if (r < 0) {
		zen_value_done(&value);
		return r;
	}
	value.places.turns = range_of(parts.members[ZEN_TURNS]);
	value.places.updated = range_of(parts.members[ZEN_UPDATED_AT]);
	value.created_ns = element_time(data, parts.members[ZEN_CREATED_AT]);
	value.updated_ns = element_time(data, parts.members[ZEN_UPDATED_AT]);
	*ret = value;
	return 0;
}
