/* Changing files: each attempt works a change out anew on the thread as it is then. */
#include "draft.h"

#include "base/name.h"

#include <errno.h>
#include <time.h>

enum { ATTEMPTS = 100 };

/* Whether another attempt makes sense; the more there were the longer it waits. */
bool layout_again(struct layout_store *s, uint64_t gen, int r, int attempt)
{
	CLEAN_IMAGE struct image *image = NULL;
	if (r != -EAGAIN || attempt >= ATTEMPTS)
		return false;
	const struct timespec pause = {.tv_nsec = attempt > 3 ? attempt * 50000L : 0};
	nanosleep(&pause, NULL);
	(void)layout_reload(s, gen, &image); /* what is known was overtaken */
	return true;
}

/* What others get to know of a change: its revision, and the number that the layout gives a file.
 */
static void tell_change(const struct image *image, struct change *change)
{
	const char *name = change->kind == CHANGE_RENAME ? change->to : change->name;
	const struct image_file *file =
		change->kind == CHANGE_REMOVE ? NULL : image_find(image, name);
	if (!file)
		return;
	change->ret_revision = file->info.revision;
	change->ino = file->info.ino;
}

static int apply_once(struct layout_store *s, struct thread_ref ref,
	const struct thread_change *thread, struct change *changes, size_t count, unsigned flags,
	struct thread_info *ret)
{
	CLEAN_DRAFT struct draft d = {0};
	CLEAN_IMAGE struct image *image = NULL;
	int r = draft_init(&d, s, ref, thread);
	for (size_t i = 0; i < count && r == 0; i++)
		r = draft_change(&d, &changes[i]);
	if (r == 0)
		r = draft_thread(&d, thread, flags, d.count > d.image->raw.count);
	if (r == 0)
		r = draft_commit(&d, flags, ret, &image);
	for (size_t i = 0; i < count && r == 0; i++)
		tell_change(image, &changes[i]);
	return r;
}

int layout_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	if (s->read_only)
		return -EROFS;
	int r = -EAGAIN;
	for (int i = 0; r == -EAGAIN; i++) {
		r = apply_once(s, ref, thread, changes, count, flags, ret);
		if (!layout_again(s, ref.gen, r, i))
			break;
	}
	return r == -EAGAIN ? -ESTALE : r;
}

/* Two threads of a chat server are two values: nothing is in both, or neither, in one step. */
int layout_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	return layout_store_of(store)->read_only ? -EROFS : -EXDEV;
}
