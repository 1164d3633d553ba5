/* What a change makes of a thread: its value or list as it will be, and the image of that. */
#include "draft.h"

#include <errno.h>
#include <stdlib.h>

/* Replaces *value by what a step has made of it; `r` is what that step returned. */
static int value_next(struct blob **value, struct blob *next, int r)
{
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	blob_unref(*value);
	*value = next;
	return 0;
}

/* Turns that are only added change nothing else of a value but its time, in microseconds. */
static bool only_adds(const struct draft *d)
{
	bool only = draft_adds(d) && !d->own;
	for (size_t i = 0; i < d->count; i++)
		only = only && !d->turns[i].removed && !d->turns[i].changed;
	return only;
}

static int64_t updated_by(const struct draft *d)
{
	int64_t ns = d->wanted.set & SET_MTIME ? d->wanted.mtime_ns : d->time_ns;
	return ns / 1000 * 1000;
}

static int value_added(struct draft *d, struct blob **value, struct zen_places *places)
{
	size_t count = 0;
	struct blob **elements = calloc(d->count + 1, sizeof(*elements)), *next = NULL;
	if (!elements)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		if (d->turns[i].added && !d->turns[i].removed)
			elements[count++] = d->turns[i].element->bytes;
	int r = 0;
	if (count > 0) {
		r = zen_value_append(blob_data(*value), blob_size(*value), elements, count,
			updated_by(d), &next);
		r = value_next(value, next, r);
	}
	free(elements);
	return r;
}

/* The whole value as it will be. */
static int value_make(struct draft *d, struct zen_places *places, struct blob **ret)
{
	CLEAN_BLOB struct blob *value = blob_ref(d->image->raw.value);
	struct blob *next = NULL;
	int r = 0;
	*places = only_adds(d) ? d->image->raw.places : (struct zen_places){0};
	for (size_t i = 0; i < d->count && r == 0; i++) {
		if (!d->turns[i].changed || d->turns[i].removed)
			continue;
		r = zen_value_replace(blob_data(value), blob_size(value), i,
			d->turns[i].element->bytes, LAYOUT_TIME_NONE, &next);
		r = value_next(&value, next, r);
	}
	for (size_t i = d->count; i-- > 0 && r == 0 && d->turns[i].removed;) {
		r = zen_value_remove_last(
			blob_data(value), blob_size(value), LAYOUT_TIME_NONE, &next);
		r = value_next(&value, next, r);
	}
	if (r == 0)
		r = value_added(d, &value, places);
	if (r == 0 && d->own) {
		r = zen_value_set_own(
			blob_data(value), blob_size(value), d->own, LAYOUT_TIME_NONE, &next);
		r = value_next(&value, next, r);
	}
	if (r == 0) {
		*ret = value;
		value = NULL;
	}
	return r;
}

static int list_make(struct draft *d, struct raw *raw)
{
	raw->elements = calloc(d->count + 1, sizeof(*raw->elements));
	if (!raw->elements)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		if (!d->turns[i].removed)
			raw->elements[raw->count++] = element_ref(d->turns[i].element);
	return 0;
}

/* A value taken apart again, with the turns that are known already. */
static int value_parse(struct draft *d, struct raw *raw)
{
	struct image before = {.raw = {0}};
	if (only_adds(d)) {
		raw->own = blob_ref(d->image->raw.own);
		raw->updated_ns = updated_by(d);
		return list_make(d, raw);
	}
	int r = list_make(d, &before.raw);
	if (r == 0)
		r = raw_parse(raw, d->s->layout, &before);
	raw_done(&before.raw);
	return r;
}

/* A list without elements is not there, and its side key says that the thread is. */
static int set_made(struct draft *d, const struct raw *raw)
{
	if (d->s->layout->kind == LAYOUT_VALUE)
		return 0;
	if (!raw->there)
		return side_put_text(&d->side, "made", "1");
	side_remove(&d->side, "made");
	return 0;
}

int draft_image(struct draft *d, struct image **ret)
{
	const struct raw *was = &d->image->raw;
	bool value = d->s->layout->kind == LAYOUT_VALUE;
	struct raw raw = {.there = true,
		.deadline_ms = d->life.deadline_ms,
		.created_ns = was->created_ns,
		.updated_ns = was->updated_ns};
	int r = value ? value_make(d, &raw.places, &raw.value) : list_make(d, &raw);
	if (r == 0 && value)
		r = value_parse(d, &raw);
	raw.there = value || raw.count > 0;
	if (r == 0)
		r = set_made(d, &raw);
	if (r == 0 && d->s->layout->session && draft_adds(d))
		raw.updated_ns = d->time_ns / 1000000000 * 1000000000;
	if (r == 0)
		r = side_map_copy(&d->side, &raw.side);
	if (r < 0) {
		raw_done(&raw);
		return r;
	}
	struct image_rules rules = layout_rules(d->s, d->place->gen);
	return image_build(&rules, d->place, &raw, ret);
}
