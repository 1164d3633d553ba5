/* The sorted array of a thread's files in the in-memory store. */
#include "memory_inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void memory_file_unref(struct memory_file *file)
{
	if (!file || --file->refs > 0)
		return;
	file_info_done(&file->info);
	blob_unref(file->content);
	free(file);
}

/* The first place whose name is not less than `name`. */
static size_t lower_bound(const struct memory_listing *listing, const char *name)
{
	size_t low = 0, high = listing->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(listing->items[middle]->info.name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct memory_listing *listing, size_t place, const char *name)
{
	return place < listing->count && strcmp(listing->items[place]->info.name, name) == 0;
}

size_t listing_after(const struct memory_listing *listing, const char *name)
{
	size_t place = lower_bound(listing, name);
	return is_at(listing, place, name) ? place + 1 : place;
}

struct memory_file *listing_find(const struct memory_listing *listing, const char *name)
{
	size_t place = lower_bound(listing, name);
	return is_at(listing, place, name) ? listing->items[place] : NULL;
}

struct memory_file *listing_find_turn(
	const struct memory_listing *listing, uint32_t number, const struct memory_file *except)
{
	char prefix[16];
	int size = snprintf(prefix, sizeof(prefix), "%06u-", number);
	for (size_t i = lower_bound(listing, prefix); i < listing->count; i++) {
		struct memory_file *file = listing->items[i];
		if (strncmp(file->info.name, prefix, (size_t)size) != 0)
			break;
		if (file != except && name_turn_parse(file->info.name, NULL, NULL))
			return file;
	}
	return NULL;
}

int listing_make_room(struct memory_listing *listing, size_t more)
{
	if (more <= listing->capacity - listing->count)
		return 0;
	size_t capacity = listing->count + more + listing->count / 2;
	struct memory_file **items = reallocarray(listing->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	listing->items = items;
	listing->capacity = capacity;
	return 0;
}

int listing_copy(const struct memory_listing *from, struct memory_listing *ret)
{
	struct memory_listing copy = {0};
	int r = listing_make_room(&copy, from->count + 1);
	if (r < 0)
		return r;
	for (size_t i = 0; i < from->count; i++) {
		copy.items[i] = from->items[i];
		copy.items[i]->refs++;
	}
	copy.count = from->count;
	copy.turns = from->turns;
	copy.bytes = from->bytes;
	*ret = copy;
	return 0;
}

static void count_file(struct memory_listing *listing, const struct memory_file *file, int sign)
{
	if (name_turn_parse(file->info.name, NULL, NULL))
		listing->turns += (uint32_t)sign;
	listing->bytes += (uint64_t)sign * file->info.size;
}

void listing_put(struct memory_listing *listing, struct memory_file *file)
{
	size_t place = lower_bound(listing, file->info.name);
	count_file(listing, file, 1);
	if (is_at(listing, place, file->info.name)) {
		count_file(listing, listing->items[place], -1);
		memory_file_unref(listing->items[place]);
	} else {
		memmove(listing->items + place + 1, listing->items + place,
			(listing->count - place) * sizeof(*listing->items));
		listing->count++;
	}
	listing->items[place] = file;
}

void listing_remove(struct memory_listing *listing, const char *name)
{
	size_t place = lower_bound(listing, name);
	if (!is_at(listing, place, name))
		return;
	count_file(listing, listing->items[place], -1);
	memory_file_unref(listing->items[place]);
	listing->count--;
	memmove(listing->items + place, listing->items + place + 1,
		(listing->count - place) * sizeof(*listing->items));
}

void listing_done(struct memory_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		memory_file_unref(listing->items[i]);
	free(listing->items);
	*listing = (struct memory_listing){0};
}
