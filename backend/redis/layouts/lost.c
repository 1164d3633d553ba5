/* Turns of ours that a chat server has written over, read out of side keys for the mount to show.
 */
#include "inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>

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

static void name_turn(const struct lost_page *page, const struct lost_element *lost, char *ret)
{
	unsigned same = 1;
	name_turn_format(ret, lost->number, lost->element->turn.role);
	for (size_t i = 0; i < page->count; i++)
		if (strcmp(page->items[i].name, ret) == 0)
			snprintf(ret, STORE_NAME_MAX + 1, "%06u-%s~%u.md", lost->number,
				lost->element->turn.role, ++same);
}

static int fill(const struct image *image, struct lost_page *page)
{
	page->items = calloc(image->lost_count + 1, sizeof(*page->items));
	if (!page->items)
		return -ENOMEM;
	page->gen = image->info.gen;
	snprintf(page->id, sizeof(page->id), "%s", image->info.id);
	for (size_t i = 0; i < image->lost_count; i++) {
		const struct layout_turn *turn = &image->lost[i].element->turn;
		struct lost_turn *item = &page->items[page->count];
		name_turn(page, &image->lost[i], item->name);
		item->mtime_ns = turn->time_ns == LAYOUT_TIME_NONE ? 0 : turn->time_ns;
		item->content = turn->text ? blob_ref(turn->text) : blob_new(NULL, 0);
		if (!item->content)
			return -ENOMEM;
		page->count++;
	}
	return 0;
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
			r = fill(image, &page);
		if (r < 0)
			lost_page_done(&page);
		else
			*ret = page;
		return r;
	}
	return -ENOENT;
}
