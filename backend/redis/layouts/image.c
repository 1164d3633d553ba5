/* Building a thread's image: its elements, then its files, then what is said of the whole. */
#include "image.h"

#include "image_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct place *place_ref(struct place *place)
{
	__atomic_add_fetch(&place->refs, 1, __ATOMIC_RELAXED);
	return place;
}

void place_unref(struct place *place)
{
	if (!place || __atomic_sub_fetch(&place->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(place->key);
	free(place->id);
	free(place);
}

void raw_done(struct raw *raw)
{
	for (size_t i = 0; i < raw->count; i++)
		element_unref(raw->elements[i]);
	free(raw->elements);
	blob_unref(raw->value);
	side_map_done(&raw->side);
	*raw = (struct raw){0};
}

struct image *image_ref(struct image *image)
{
	if (image)
		__atomic_add_fetch(&image->refs, 1, __ATOMIC_RELAXED);
	return image;
}

void image_unref(struct image *image)
{
	if (!image || __atomic_sub_fetch(&image->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	raw_done(&image->raw);
	blob_unref(image->own);
	for (size_t i = 0; i < image->file_count; i++)
		file_info_done(&image->files[i].info);
	free(image->files);
	for (size_t i = 0; i < image->lost_count; i++)
		element_unref(image->lost[i].element);
	free(image->lost);
	free(image);
}

int image_element(const struct layout *layout, const struct image *before, size_t index,
	struct blob *bytes, struct element **ret)
{
	if (before && index < before->raw.count &&
		blob_same(before->raw.elements[index]->bytes, bytes)) {
		*ret = element_ref(before->raw.elements[index]);
		return 0;
	}
	return element_new(layout->codec, bytes, ret);
}

/* Takes a whole value apart. */
static int value_elements(struct builder *b, const struct image *before)
{
	struct raw *raw = &b->image->raw;
	const char *data = blob_data(raw->value);
	int r = zen_value_parse(data, blob_size(raw->value), &b->zen);
	if (r < 0)
		return r;
	b->image->own = blob_ref(b->zen.own);
	size_t count = b->zen.count < STORE_TURN_MAX ? b->zen.count : STORE_TURN_MAX;
	raw->elements = calloc(count + 1, sizeof(*raw->elements));
	if (!raw->elements)
		return -ENOMEM;
	for (; raw->count < count; raw->count++) {
		struct zen_range *range = &b->zen.turns[raw->count];
		CLEAN_BLOB struct blob *bytes = blob_new(data + range->start, range->size);
		r = bytes ? image_element(b->rules->layout, before, raw->count, bytes,
				    &raw->elements[raw->count])
			  : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

static int build(struct builder *b, const struct image *before)
{
	struct raw *raw = &b->image->raw;
	int r = 0;
	if (!raw->there && !side_get(&raw->side, "made"))
		return -ENOENT;
	if (raw->there && b->rules->layout->kind == LAYOUT_VALUE)
		r = value_elements(b, before);
	if (r == 0)
		r = builder_lost(b);
	if (r == 0)
		r = builder_files(b);
	if (r == 0)
		r = builder_thread(b);
	return r;
}

int image_build(const struct image_rules *rules, const struct place *place, struct raw *raw,
	const struct image *before, struct image **ret)
{
	struct builder b = {.rules = rules, .place = place, .image = calloc(1, sizeof(*b.image))};
	if (!b.image) {
		raw_done(raw);
		return -ENOMEM;
	}
	b.zen.created_ns = b.zen.updated_ns = LAYOUT_TIME_NONE;
	b.image->refs = 1;
	b.image->raw = *raw;
	*raw = (struct raw){0};
	int r = build(&b, before);
	zen_value_done(&b.zen);
	if (r < 0)
		image_unref(b.image);
	else
		*ret = b.image;
	return r;
}

size_t image_after(const struct image *image, const char *name)
{
	size_t low = 0, high = image->file_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(image->files[middle].info.name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct image_file *image_find(const struct image *image, const char *name)
{
	size_t after = image_after(image, name);
	if (after == 0 || strcmp(image->files[after - 1].info.name, name) != 0)
		return NULL;
	return &image->files[after - 1];
}

const struct image_file *image_find_turn(const struct image *image, uint32_t number)
{
	char before[16];
	if (number == 0 || number > image->raw.count)
		return NULL;
	snprintf(before, sizeof(before), "%06u-", number);
	for (size_t i = image_after(image, before); i < image->file_count; i++)
		if (image->files[i].number == number)
			return &image->files[i];
	return NULL;
}
