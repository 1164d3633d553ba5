/* The fields of a side key, in memory; see side.h. */
#include "side.h"

#include "turn_element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void side_map_done(struct side_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		blob_unref(map->items[i].name);
		blob_unref(map->items[i].value);
	}
	free(map->items);
	*map = (struct side_map){0};
}

int side_map_copy(const struct side_map *from, struct side_map *ret)
{
	struct side_map copy = {.count = from->count, .capacity = from->count + 8};
	copy.items = calloc(copy.capacity, sizeof(*copy.items));
	if (!copy.items)
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++) {
		copy.items[i].name = blob_ref(from->items[i].name);
		copy.items[i].value = blob_ref(from->items[i].value);
	}
	*ret = copy;
	return 0;
}

static int compare(const struct blob *a, const char *name, size_t size)
{
	size_t less = a->size < size ? a->size : size;
	int order = memcmp(a->data, name, less);
	return order ? order : (a->size > size) - (a->size < size);
}

/* The first place whose name is not less. */
static size_t lower_bound(const struct side_map *map, const char *name, size_t size)
{
	size_t low = 0, high = map->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(map->items[middle].name, name, size) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct side_map *map, size_t place, const char *name, size_t size)
{
	return place < map->count && compare(map->items[place].name, name, size) == 0;
}

struct blob *side_get(const struct side_map *map, const char *name)
{
	size_t size = strlen(name), place = lower_bound(map, name, size);
	return is_at(map, place, name, size) ? map->items[place].value : NULL;
}

int side_put(struct side_map *map, struct blob *name, struct blob *value)
{
	size_t place = lower_bound(map, name->data, name->size);
	if (is_at(map, place, name->data, name->size)) {
		blob_unref(map->items[place].value);
		map->items[place].value = blob_ref(value);
		return 0;
	}
	if (map->count == map->capacity) {
		size_t capacity = map->capacity ? 2 * map->capacity : 8;
		struct side_field *items = reallocarray(map->items, capacity, sizeof(*items));
		if (!items)
			return -ENOMEM;
		map->items = items;
		map->capacity = capacity;
	}
	memmove(map->items + place + 1, map->items + place,
		(map->count - place) * sizeof(*map->items));
	map->items[place] = (struct side_field){blob_ref(name), blob_ref(value)};
	map->count++;
	return 0;
}

int side_put_blob(struct side_map *map, const char *name, struct blob *value)
{
	CLEAN_BLOB struct blob *copy = blob_new(name, strlen(name));
	return copy && value ? side_put(map, copy, value) : -ENOMEM;
}

int side_put_text(struct side_map *map, const char *name, const char *value)
{
	CLEAN_BLOB struct blob *copy = blob_new(value, strlen(value));
	return side_put_blob(map, name, copy);
}

void side_remove(struct side_map *map, const char *name)
{
	size_t size = strlen(name), place = lower_bound(map, name, size);
	if (!is_at(map, place, name, size))
		return;
	blob_unref(map->items[place].name);
	blob_unref(map->items[place].value);
	map->count--;
	memmove(map->items + place, map->items + place + 1,
		(map->count - place) * sizeof(*map->items));
}

const char *side_name_after(const struct side_field *field, const char *prefix)
{
	const struct blob *name = field->name;
	size_t size = strlen(prefix);
	if (name->size <= size || memcmp(name->data, prefix, size) != 0 ||
		memchr(name->data, '\0', name->size))
		return NULL;
	return name->data + size;
}
