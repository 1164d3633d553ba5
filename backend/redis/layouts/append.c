/* Adding turns at the end, as the tool adds them: its own bytes, its own time to live. */
#include "draft.h"

#include "rules.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>

static void tell_turns(const struct image *image, const struct place *place, uint32_t first,
	struct turn_new *turns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t number = first + (uint32_t)i;
		const struct image_file *file = image_find_turn(image, number);
		turns[i].ino = image_turn_ino(place, number, turns[i].role);
		turns[i].ret_revision = file ? file->info.revision : STORE_REVISION_NONE;
	}
}

/* All of it on a copy: for a whole value, and for a list that has no element yet. */
static int append_draft(struct draft *d, const struct thread_change *thread, struct turn_new *turns,
	size_t count, unsigned flags, struct thread_info *ret, uint32_t *ret_first)
{
	CLEAN_IMAGE struct image *image = NULL;
	uint32_t first = (uint32_t)d->count + 1;
	int r = count > STORE_TURN_MAX - d->count ? -EDQUOT : 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct change put = append_put(&turns[i]);
		r = draft_add(d, first + (uint32_t)i, turns[i].role, &put);
	}
	if (r == 0)
		r = draft_thread(d, thread, flags, true);
	if (r == 0)
		r = draft_commit(d, flags, ret, &image);
	if (r < 0)
		return r;
	tell_turns(image, d->place, first, turns, count);
	*ret_first = first;
	return 0;
}

static int append_once(struct layout_store *s, struct thread_ref ref,
	const struct thread_change *thread, struct turn_new *turns, size_t count, unsigned flags,
	struct thread_info *ret, uint32_t *ret_first)
{
	if (s->layout->kind == LAYOUT_LIST) {
		int r = append_push(s, ref, thread, turns, count, flags, ret, ret_first);
		if (r != -EAGAIN)
			return r; /* else it has no element: it is made with its first turn */
	}
	CLEAN_DRAFT struct draft d = {0};
	int r = draft_init(&d, s, ref, thread, s->layout->kind == LAYOUT_VALUE);
	if (r < 0)
		return r;
	return append_draft(&d, thread, turns, count, flags, ret, ret_first);
}

int layout_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	struct layout_store *s = layout_store_of(store);
	if (s->read_only)
		return -EROFS;
	for (size_t i = 0; i < count; i++)
		if (!name_role_valid(turns[i].role))
			return -EINVAL;
	int r = -EAGAIN;
	for (int i = 0; r == -EAGAIN; i++) {
		r = append_once(s, ref, thread, turns, count, flags, ret, ret_first);
		if (!layout_again(s, ref.gen, r, i))
			break;
	}
	return r == -EAGAIN ? -ESTALE : r;
}
