/* Turns added to a zen thread's value, changed and removed; see zen_value.h. */
#include "zen_value.h"

#include "zen_parts.h"

#include <errno.h>
#include <string.h>

/*
 * The turn number `index` and before it the one before it; size 0: there is none. False: there is
 * no such turn, and it is the last.
 */
static bool turn_find(const struct zen_parts *parts, size_t index, struct json_range ret[2])
{
	struct json_walk walk = json_scan_walk(parts->data, parts->members[ZEN_TURNS]);
	ret[1] = (struct json_range){0};
	for (size_t i = 0; json_scan_next(&walk); i++) {
		ret[0] = ret[1];
		ret[1] = walk.value;
		if (i == index)
			return true;
	}
	return false;
}

/* Behind the last turn, without going through them; *ret_first: behind the '[', there is none. */
static size_t turns_end(const struct zen_parts *parts, bool *ret_first)
{
	struct json_range turns = parts->members[ZEN_TURNS];
	size_t end = turns.start + turns.size - 1;
	while (strchr(" \t\r\n", parts->data[end - 1]))
		end--;
	*ret_first = end == turns.start + 1;
	return end;
}

/* Writes an element of ours, if it is a turn that the tool can read. */
static int element_write(struct json_out *out, const struct blob *element)
{
	struct json_range turn;
	const char *data = blob_data(element);
	int r = json_scan(data, blob_size(element), &turn, NULL);
	if (r < 0 || !places_fit(data, turn, zen_turn_members))
		return -EINVAL;
	json_write_bytes(out, data + turn.start, turn.size);
	return 0;
}

static int append(const struct zen_parts *parts, struct blob *const *elements, size_t count,
	int64_t updated_ns, struct blob **ret)
{
	struct zen_edits edits = {0};
	bool first;
	int r = 0;
	struct json_out *out = zen_edit(&edits, (struct json_range){turns_end(parts, &first), 0});
	for (size_t i = 0; i < count && r == 0; i++) {
		json_write_word(out, first && i == 0 ? "" : ",");
		r = element_write(out, elements[i]);
	}
	if (r < 0) {
		zen_edits_done(&edits);
		return r;
	}
	return zen_edits_apply(parts, &edits, updated_ns, ret);
}

int zen_value_append(const char *data, size_t size, struct blob *const *elements, size_t count,
	int64_t updated_ns, struct blob **ret)
{
	struct zen_parts parts;
	int r = zen_parts_find(data, size, &parts);
	return r < 0 ? r : append(&parts, elements, count, updated_ns, ret);
}

/* The time is a string of ours now, of maybe another length, and the array has grown behind it. */
static void move_places(struct zen_places *places, size_t size, const struct blob *now)
{
	const char *text = now->data + places->updated.start;
	size_t was = places->updated.size;
	places->updated.size = strcspn(text + 1, "\"") + 2;
	places->turns.start += places->updated.size - was;
	places->turns.size += now->size - size - (places->updated.size - was);
}

int zen_value_append_at(const char *data, size_t size, struct zen_places *places,
	struct blob *const *elements, size_t count, int64_t updated_ns, struct blob **ret)
{
	struct zen_parts parts = {.data = data, .size = size};
	if (places->updated.start >= places->turns.start || updated_ns == LAYOUT_TIME_NONE) {
		*places = (struct zen_places){0}; /* not as the tool writes it */
		return zen_value_append(data, size, elements, count, updated_ns, ret);
	}
	parts.members[ZEN_TURNS] = (struct json_range){places->turns.start, places->turns.size};
	parts.members[ZEN_UPDATED_AT] =
		(struct json_range){places->updated.start, places->updated.size};
	int r = append(&parts, elements, count, updated_ns, ret);
	if (r == 0)
		move_places(places, size, *ret);
	return r;
}

int zen_value_replace(const char *data, size_t size, size_t index, const struct blob *element,
	int64_t updated_ns, struct blob **ret)
{
	struct zen_parts parts;
	struct zen_edits edits = {0};
	struct json_range turn[2];
	int r = zen_parts_find(data, size, &parts);
	if (r < 0)
		return r;
	if (!turn_find(&parts, index, turn))
		return -EINVAL;
	r = element_write(zen_edit(&edits, turn[1]), element);
	if (r < 0) {
		zen_edits_done(&edits);
		return r;
	}
	return zen_edits_apply(&parts, &edits, updated_ns, ret);
}

int zen_value_remove_last(const char *data, size_t size, int64_t updated_ns, struct blob **ret)
{
	struct zen_parts parts;
	struct zen_edits edits = {0};
	struct json_range turn[2];
	int r = zen_parts_find(data, size, &parts);
	if (r < 0)
		return r;
	turn_find(&parts, SIZE_MAX, turn); /* the last */
	if (turn[1].size == 0)
		return -EINVAL;
	size_t from = turn[0].size > 0 ? turn[0].start + turn[0].size : turn[1].start;
	size_t end = turn[1].start + turn[1].size;
	zen_edit(&edits, (struct json_range){from, end - from});
	return zen_edits_apply(&parts, &edits, updated_ns, ret);
}
