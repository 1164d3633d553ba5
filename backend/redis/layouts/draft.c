/* Beginning and ending a change of a thread, and what its parts share; see draft.h. */
#include "draft.h"

#include <errno.h>
#include <stdlib.h>

static int copy_turns(struct draft *d)
{
	const struct raw *raw = &d->image->raw;
	d->turns = calloc(raw->count + 1, sizeof(*d->turns));
	if (!d->turns)
		return -ENOMEM;
	for (; d->count < raw->count; d->count++)
		d->turns[d->count].element = element_ref(raw->elements[d->count]);
	return 0;
}

int draft_init(struct draft *d, struct layout_store *s, struct thread_ref ref,
	const struct thread_change *change)
{
	*d = (struct draft){.s = s};
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, ref.gen);
	if (entry) {
		d->place = place_ref(entry->place);
		d->told = entry->told;
	}
	pthread_mutex_unlock(&s->mutex);
	int r = entry ? layout_image(s, ref.gen, &d->image, NULL) : -ENOENT;
	if (r == 0)
		r = copy_turns(d);
	if (r == 0)
		r = side_map_copy(&d->image->raw.side, &d->side);
	if (r < 0)
		return r;
	d->time_ns = change ? change->time_ns : clock_wall_ns();
	d->life.deadline_ms = d->image->raw.deadline_ms;
	return 0;
}

void draft_done(struct draft *d)
{
	for (size_t i = 0; i < d->count; i++)
		element_unref(d->turns[i].element);
	free(d->turns);
	for (size_t i = 0; i < d->content_count; i++)
		blob_unref(d->contents[i].content);
	free(d->contents);
	side_map_done(&d->side);
	blob_unref(d->own);
	image_unref(d->image);
	place_unref(d->place);
	*d = (struct draft){0};
}

int draft_content(struct draft *d, uint64_t field, struct blob *content)
{
	for (size_t i = 0; i < d->content_count; i++) {
		struct draft_content *c = &d->contents[i];
		if (c->field != field)
			continue;
		blob_ref(content);
		blob_unref(c->content);
		c->content = content;
		return 0;
	}
	struct draft_content *contents =
		reallocarray(d->contents, d->content_count + 1, sizeof(*contents));
	if (!contents)
		return -ENOMEM;
	d->contents = contents;
	d->contents[d->content_count++] =
		(struct draft_content){.field = field, .content = blob_ref(content)};
	return 0;
}

int side_put_record(struct side_map *side, const char *name, const struct record *record)
{
	CLEAN_BLOB struct blob *text = record_text(record);
	return text ? side_put_blob(side, name, text) : -ENOMEM;
}
