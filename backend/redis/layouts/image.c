/* Building a thread's image: its elements, then its files, then what is said of the whole. */
#include "image.h"

#include "codecs/zen_value.h"
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
	blob_unref(raw->own);
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
	for (size_t i = 0; i < image->file_count; i++)
		file_info_done(&image->files[i].info);
	free(image->files);
	free(image->lost);
	free(image);
}

int image_element(const struct layout *layout, const struct image *before, size_t index,
	struct blob *bytes, struct element **ret)
{
	if (before && index < before->raw.count &&
		blob_equal(before->raw.elements[index]->bytes, bytes)) {
		*ret = element_ref(before->raw.elements[index]);
		return 0;
	}
	return element_new(layout->codec, bytes, ret);
}

int raw_value_of(const struct raw *from, struct raw *ret)
{
	ret->elements = calloc(from->count + 1, sizeof(*ret->elements));
	if (!ret->elements)
		return -ENOMEM;
	for (; ret->count < from->count; ret->count++)
		ret->elements[ret->count] = element_ref(from->elements[ret->count]);
	ret->value = blob_ref(from->value);
	ret->own = blob_ref(from->own);
	ret->places = from->places;
	ret->created_ns = from->created_ns;
	ret->updated_ns = from->updated_ns;
	return 0;
}

static int parse_turns(struct raw *raw, const struct zen_value *zen, const struct layout *layout,
	const struct image *before)
{
	size_t count = zen->count < STORE_TURN_MAX ? zen->count : STORE_TURN_MAX;
	raw->elements = calloc(count + 1, sizeof(*raw->elements));
	if (!raw->elements)
		return -ENOMEM;
	for (; raw->count < count; raw->count++) {
		const struct zen_range *range = &zen->turns[raw->count];
		CLEAN_BLOB struct blob *bytes =
			blob_new(blob_data(raw->value) + range->start, range->size);
		int r = bytes ? image_element(layout, before, raw->count, bytes,
					&raw->elements[raw->count])
			      : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

int raw_parse(struct raw *raw, const struct layout *layout, const struct image *before)
{
	struct zen_value zen;
	int r = zen_value_parse(blob_data(raw->value), blob_size(raw->value), &zen);
	if (r < 0)
		return r;
	raw->own = blob_ref(zen.own);
	raw->places = zen.places;
	raw->created_ns = zen.created_ns;
	raw->updated_ns = zen.updated_ns;
	r = parse_turns(raw, &zen, layout, before);
	zen_value_done(&zen);
	return r;
}

static int build(struct builder *b)
{
	const struct raw *raw = &b->image->raw;
	if (!raw->there && !side_get(&raw->side, "made"))
		return -ENOENT;
	int r = builder_lost(b);
	if (r == 0)
		r = builder_files(b);
	return r < 0 ? r : builder_thread(b);
}

int image_build(const struct image_rules *rules, const struct place *place, struct raw *raw,
	struct image **ret)
{
	struct builder b = {.rules = rules, .place = place, .image = calloc(1, sizeof(*b.image))};
	if (!b.image) {
		raw_done(raw);
		return -ENOMEM;
	}
	b.image->refs = 1;
	b.image->raw = *raw;
	*raw = (struct raw){0};
	int r = build(&b);
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
