/* Turns of ours that a chat server has written over, read out of side keys for the mount to show.
 */
#include "inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first thread behind `after` that has some; 0: none. */
static uint64_t next_gen(struct layout_store *s, uint64_t after)
{
	uint64_t gen = 0;
	pthread_mutex_lock(&s->mutex);
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next)
		if (e->lost && e->place->gen > after && (!gen || e->place->gen < gen) &&
			index_is_live(s, e))
			gen = e->place->gen;
	pthread_mutex_unlock(&s->mutex);
	return gen;
}

static void name_turn(const struct lost_page *page, uint32_t number, const char *role, char *ret)
{
	unsigned same = 1;
	name_turn_format(ret, number, role);
	for (size_t i = 0; i < page->count; i++)
		if (strcmp(page->items[i].name, ret) == 0)
			snprintf(ret, STORE_NAME_MAX + 1, "%06u-%s~%u.md", number, role, ++same);
}

/* One that cannot be read, for somebody has touched what we keep, is left out. */
static int add(struct layout_store *s, const struct place *place, const struct lost_element *lost,
	struct lost_page *page)
{
	CLEAN_BLOB struct blob *bytes = NULL;
	CLEAN_ELEMENT struct element *element = NULL;
	struct lost_turn *item = &page->items[page->count];
	int r = layout_kept(s, place, lost->field, &bytes);
	if (r == 0)
		r = element_new(s->layout->codec, bytes, &element);
	if (r < 0 || !element->readable)
		return r == -EIO ? 0 : r;
	const struct layout_turn *turn = &element->turn;
	name_turn(page, lost->number, turn->role, item->name);
	item->mtime_ns = turn->time_ns == LAYOUT_TIME_NONE ? 0 : turn->time_ns;
	item->content = turn->text ? blob_ref(turn->text) : blob_new(NULL, 0);
	if (!item->content)
		return -ENOMEM;
	page->count++;
	return 0;
}

static int fill(struct layout_store *s, const struct image *image, struct lost_page *page)
{
	page->items = calloc(image->lost_count + 1, sizeof(*page->items));
	struct place *place = layout_place(s, image->info.gen);
	int r = !page->items ? -ENOMEM : !place ? -ENOENT : 0;
	page->gen = image->info.gen;
	snprintf(page->id, sizeof(page->id), "%s", image->info.id);
	for (size_t i = 0; i < image->lost_count && r == 0; i++)
		r = add(s, place, &image->lost[i], page);
	place_unref(place);
	return r;
}

int layout_lost_next(struct store *store, uint64_t after_gen, struct lost_page *ret)
{
	struct layout_store *s = layout_store_of(store);
	for (uint64_t gen = after_gen; (gen = next_gen(s, gen));) {
		CLEAN_IMAGE struct image *image = NULL;
		struct lost_page page = {0};
		int r = layout_image(s, gen, &image, NULL);
		if (r == -ENOENT || r == -EIO || (r == 0 && image->lost_count == 0))
			continue; /* it went, or they have come back */
		if (r == 0)
			r = fill(s, image, &page);
		if (r < 0)
			lost_page_done(&page);
		else
			*ret = page;
		return r;
	}
	return -ENOENT;
}
