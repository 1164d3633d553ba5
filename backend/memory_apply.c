/* Changing files of the in-memory store: a step is made on a copy, and put in place as a whole. */
#include "base/name.h"
#include "memory_step.h"

#include <errno.h>
#include <string.h>

/* Puts a changed file into its listing and keeps last_turn the highest number ever used. */
static int step_put(
	struct step *s, const struct memory_file *old, const struct change *change, size_t place)
{
	const char *name = change->kind == CHANGE_RENAME ? change->to : change->name;
	uint32_t number;
	int r = listing_make_room(&s->files, 1);
	if (r < 0)
		return r;
	struct memory_file *file = step_file_changed(old, change, name);
	if (!file)
		return -ENOMEM;
	file->info.revision = step_revision(s, place);
	file->info.ctime_ns = s->info.ctime_ns;
	listing_put(&s->files, file);
	if (name_turn_parse(name, &number, NULL) && number > s->info.last_turn)
		s->info.last_turn = number;
	return 0;
}

static int change_rename(
	struct step *from, struct step *to, const struct change *change, size_t place)
{
	struct memory_file *old = listing_find(&from->files, change->name);
	if (!old)
		return change->expect == STORE_REVISION_ANY || change->expect == STORE_REVISION_NONE
			       ? -ENOENT
			       : -ESTALE;
	int r = step_expect_file(change->expect, old);
	if (r < 0)
		return r;
	bool same = from == to && strcmp(change->name, change->to) == 0;
	if (!same) {
		r = step_expect_file(change->to_expect, listing_find(&to->files, change->to));
		if (r < 0)
			return r;
	}
	old->refs++;
	listing_remove(&from->files, change->name);
	r = step_put(to, old, change, place);
	memory_file_unref(old);
	return r;
}

static int change_do(struct step *s, const struct change *change, size_t place)
{
	if (change->kind == CHANGE_RENAME)
		return change_rename(s, s, change, place);
	struct memory_file *old = listing_find(&s->files, change->name);
	int r = step_expect_file(change->expect, old);
	if (r < 0)
		return r;
	if (change->kind == CHANGE_PUT)
		return step_put(s, old, change, place);
	listing_remove(&s->files, change->name);
	return 0;
}

/* N2, asked of the outcome: a step may pass a number on from one turn to another. */
static int check_number(const struct memory_listing *files, const struct change *change)
{
	const char *name = change->kind == CHANGE_RENAME ? change->to : change->name;
	struct memory_file *file = listing_find(files, name);
	uint32_t number;
	if (!file || !name_turn_parse(name, &number, NULL))
		return 0;
	return listing_find_turn(files, number, file) ? -EEXIST : 0;
}

static int check_names(const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (name_file_check(changes[i].name) < 0)
			return -EINVAL;
		if (changes[i].kind == CHANGE_RENAME && name_file_check(changes[i].to) < 0)
			return -EINVAL;
	}
	return 0;
}

static int step_changes(struct step *s, const struct change *changes, size_t count)
{
	int r = listing_copy(&s->thread->files, &s->files);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = change_do(s, &changes[i], i);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_number(&s->files, &changes[i]);
	return r;
}

int memory_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = check_names(changes, count);
	if (r < 0)
		return r;
	r = memory_write_begin(m);
	if (r < 0)
		return r;
	struct step s;
	r = step_init(&s, m, ref, thread, flags);
	if (r == 0)
		r = step_changes(&s, changes, count);
	if (r == 0)
		r = step_commit_files(&s, count, ret);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (changes[i].kind != CHANGE_REMOVE)
			changes[i].ret_revision = step_revision(&s, i);
	step_done(&s);
	memory_write_end(m);
	return r;
}

static int move_steps(struct step *from, struct step *to, struct change *change,
	struct thread_info *ret_from, struct thread_info *ret_to)
{
	int r = listing_copy(&from->thread->files, &from->files);
	if (r == 0)
		r = listing_copy(&to->thread->files, &to->files);
	if (r == 0)
		r = change_rename(from, to, change, 1);
	if (r == 0)
		r = check_number(&to->files, change);
	if (r < 0)
		return r;
	to->info.revision++; /* the two threads do not share one either */
	r = step_commit_files(from, 0, ret_from);
	if (r == 0)
		r = step_commit_files(to, 1, ret_to);
	return r;
}

int memory_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	struct memory_store *m = (struct memory_store *)store;
	if (from.gen == to.gen || change->kind != CHANGE_RENAME || check_names(change, 1) < 0)
		return -EINVAL;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	/* Reviving could fail half way, and a thread to be moved into is live: it is not for this.
	 */
	struct step a, b = {0};
	r = step_init(&a, m, from, from_thread, flags & ~(unsigned)STORE_REVIVE);
	if (r == 0)
		r = step_init(&b, m, to, to_thread, flags & ~(unsigned)STORE_REVIVE);
	if (r == 0)
		r = move_steps(&a, &b, change, ret_from, ret_to);
	if (r == 0)
		change->ret_revision = listing_find(&b.thread->files, change->to)->info.revision;
	step_done(&a);
	step_done(&b);
	memory_write_end(m);
	return r;
}

static struct memory_file *turn_file(
	const struct step *s, const struct turn_new *turn, size_t place)
{
	const struct change change = {
		.ino = turn->ino,
		.mode = turn->mode,
		.uid = turn->uid,
		.gid = turn->gid,
		.mtime_ns = turn->mtime_ns,
		.meta = turn->meta,
		.content = turn->content,
	};
	char name[STORE_NAME_MAX + 1];
	name_turn_format(name, s->info.last_turn + 1 + (uint32_t)place, turn->role);
	struct memory_file *file = step_file_changed(NULL, &change, name);
	if (!file)
		return NULL;
	file->info.revision = step_revision(s, place);
	file->info.ctime_ns = s->info.ctime_ns;
	return file;
}

/* Adds to the thread's own listing, not to a copy: the cost must not grow with the thread. */
static int step_append(
	struct step *s, const struct turn_new *turns, size_t count, struct thread_info *ret)
{
	struct memory_listing *files = &s->thread->files;
	if (count > STORE_TURN_MAX - s->info.last_turn)
		return -EDQUOT;
	int r = listing_make_room(&s->files, count);
	if (r == 0)
		r = listing_make_room(files, count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		struct memory_file *file = turn_file(s, &turns[i], i);
		if (!file)
			return -ENOMEM;
		listing_put(&s->files, file);
	}
	for (size_t i = 0; i < count; i++) {
		s->files.items[i]->refs++;
		listing_put(files, s->files.items[i]);
	}
	s->info.last_turn += (uint32_t)count;
	r = step_commit(s, count, ret);
	for (size_t i = 0; r < 0 && i < count; i++)
		listing_remove(files, s->files.items[i]->info.name);
	return r;
}

int memory_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	struct memory_store *m = (struct memory_store *)store;
	for (size_t i = 0; i < count; i++)
		if (!name_role_valid(turns[i].role))
			return -EINVAL;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	struct step s;
	r = step_init(&s, m, ref, thread, flags);
	uint32_t first = s.info.last_turn + 1;
	if (r == 0)
		r = step_append(&s, turns, count, ret);
	if (r == 0)
		*ret_first = first;
	for (size_t i = 0; r == 0 && i < count; i++)
		turns[i].ret_revision = step_revision(&s, i);
	step_done(&s);
	memory_write_end(m);
	return r;
}
