/* Which threads there are: found by key and by generation, with what is known of each. */
#include "inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { IMAGES_BYTES = 64 << 20 }; /* of images that are kept; one may be larger */

/*
 * Below 2^59: what store_reserve() gives lies above, so that no file's number is a turn's. A turn's
 * is its thread's less its number and role, hence the room below (image_turn_ino()).
 */
uint64_t index_gen(const char *key, size_t size, unsigned salt)
{
	const uint64_t least = UINT64_C(1) << 27, most = UINT64_C(1) << 59;
	return least + XXH3_64bits_withSeed(key, size, salt) % (most - least - 2);
}

struct entry *index_find_key(struct layout_store *s, const char *key, size_t size)
{
	struct entry *entry;
	HASH_FIND(by_key, s->by_key, key, size, entry);
	return entry;
}

struct entry *index_find_gen(struct layout_store *s, uint64_t gen)
{
	struct entry *entry;
	HASH_FIND(by_gen, s->by_gen, &gen, sizeof(gen), entry);
	return entry;
}

struct place *layout_place(struct layout_store *s, uint64_t gen)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	pthread_mutex_unlock(&s->mutex);
	return place;
}

uint64_t index_revision(struct layout_store *s)
{
	return ++s->last_revision;
}

static struct place *place_new(struct layout_store *s, const char *key, size_t size)
{
	const char *id;
	size_t id_size;
	char shown[NAME_MAX_BYTES + 1];
	if (!layout_id_of(s->layout, key, size, &id, &id_size) ||
		name_encode(id, id_size, shown) < 0)
		return NULL;
	struct place *place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	place->refs = 1;
	place->key = malloc(size + 1);
	place->id = strdup(shown);
	if (!place->key || !place->id) {
		place_unref(place);
		return NULL;
	}
	memcpy(place->key, key, size);
	place->key[size] = '\0';
	place->key_size = size;
	place->text = place->key + (id - key);
	place->text_size = id_size;
	unsigned salt = 0;
	do
		place->gen = index_gen(key, size, salt++);
	while (index_find_gen(s, place->gen)); /* 2^-59 for each pair of threads */
	return place;
}

static void entry_free(struct entry *entry)
{
	place_unref(entry->place);
	free(entry->info);
	free(entry);
}

static int entry_add(struct layout_store *s, struct entry *entry)
{
	struct place *place = entry->place;
	HASH_ADD_KEYPTR(by_key, s->by_key, place->key, place->key_size, entry);
	if (entry->unhashed)
		return -ENOMEM;
	HASH_ADD_KEYPTR(by_gen, s->by_gen, &place->gen, sizeof(place->gen), entry);
	if (entry->unhashed) {
		HASH_DELETE(by_key, s->by_key, entry);
		return -ENOMEM;
	}
	free(s->sorted);
	s->sorted = NULL;
	return 0;
}

struct entry *index_get(struct layout_store *s, const char *key, size_t size)
{
	struct entry *entry = index_find_key(s, key, size);
	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->place = place_new(s, key, size);
	entry->gone_ms = layout_now(s); /* until somebody has seen it */
	entry->deadline_ms = STORE_DEADLINE_NEVER;
	if (!entry->place || entry_add(s, entry) < 0) {
		entry_free(entry);
		return NULL;
	}
	entry->revision = index_revision(s);
	return entry;
}

static void image_out(struct layout_store *s, struct entry *entry)
{
	if (!entry->image)
		return;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		s->oldest = entry->newer;
	if (entry->newer)
		entry->newer->older = entry->older;
	else
		s->newest = entry->older;
	entry->older = entry->newer = NULL;
	s->images_bytes -= entry->image->memory;
	image_unref(entry->image);
	entry->image = NULL;
	entry->fresh = false;
}

void index_image(struct layout_store *s, struct entry *entry, struct image *image)
{
	image_ref(image);
	image_out(s, entry);
	if (!image)
		return;
	entry->image = image;
	entry->older = s->newest;
	if (s->newest)
		s->newest->newer = entry;
	else
		s->oldest = entry;
	s->newest = entry;
	s->images_bytes += image->memory;
	while (s->images_bytes > IMAGES_BYTES && s->oldest != entry)
		image_out(s, s->oldest);
}

bool index_is_usual(struct layout_store *s, const struct entry *entry)
{
	return layout_id_usual(s->layout, entry->place->text, entry->place->text_size);
}

void index_broken(struct layout_store *s, struct entry *entry, bool broken)
{
	if (index_is_usual(s, entry) && entry->broken != broken)
		s->broken += broken ? 1 : -1;
	entry->broken = broken;
}

void index_gone(struct layout_store *s, struct entry *entry)
{
	if (!entry->gone_ms) {
		entry->gone_ms = layout_now(s);
		entry->revision = index_revision(s);
	}
	index_broken(s, entry, false);
	index_image(s, entry, NULL);
}

void index_forget(struct layout_store *s, struct entry *entry)
{
	index_broken(s, entry, false);
	image_out(s, entry);
	HASH_DELETE(by_key, s->by_key, entry);
	HASH_DELETE(by_gen, s->by_gen, entry);
	free(s->sorted);
	s->sorted = NULL;
	entry_free(entry);
}

void index_free(struct layout_store *s)
{
	struct entry *entry, *next;
	HASH_ITER (by_gen, s->by_gen, entry, next)
		index_forget(s, entry);
	free(s->sorted);
	s->sorted = NULL;
}

static int compare_gen(const void *a, const void *b)
{
	uint64_t one = (*(struct entry *const *)a)->place->gen;
	uint64_t other = (*(struct entry *const *)b)->place->gen;
	return one < other ? -1 : one > other;
}

int index_sort(struct layout_store *s)
{
	if (s->sorted)
		return 0;
	size_t count = 0;
	s->sorted = calloc(HASH_CNT(by_gen, s->by_gen) + 1, sizeof(*s->sorted));
	if (!s->sorted)
		return -ENOMEM;
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next)
		s->sorted[count++] = e;
	qsort(s->sorted, count, sizeof(*s->sorted), compare_gen);
	s->sorted_count = count;
	return 0;
}

bool index_is_live(struct layout_store *s, const struct entry *entry)
{
	return !entry->gone_ms && entry->deadline_ms > layout_now(s);
}

void index_mount_knows(struct entry *entry)
{
	entry->mount = (struct entry_told){
		.there = !entry->gone_ms,
		.listed = entry->listed,
		.digest = entry->loaded ? entry->digest : 0,
		.chain = entry->chain,
		.deadline_ms = entry->deadline_ms,
		.count = entry->count,
	};
	memcpy(entry->mount.rev, entry->rev, sizeof(entry->rev));
}

/*
 * What is left grows when a tool sets it anew and shrinks by itself: the most of it since is what
 * the tool sets, if it was seen soon enough.
 */
void index_deadline(struct layout_store *s, struct entry *entry, int64_t deadline_ms, bool theirs)
{
	bool anew = deadline_ms == STORE_DEADLINE_NEVER ||
		    deadline_moved(entry->deadline_ms, deadline_ms);
	entry->deadline_ms = deadline_ms;
	if (anew)
		entry->left_ms = 0;
	if (deadline_ms == STORE_DEADLINE_NEVER || (!theirs && !anew))
		return;
	int64_t whole = (deadline_ms - layout_now(s) + 999) / 1000 * 1000;
	if (whole > entry->left_ms)
		entry->left_ms = whole;
	if (theirs && whole > s->longest_ms)
		s->longest_ms = whole;
}
