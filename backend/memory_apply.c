/* Changing files of the in-memory store: a step is made on a copy, and put in place as a whole. */
#include "memory_inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A thread as it will be if all goes well. Ends with step_done(), whether it was committed or not.
 */
struct step {
	struct memory_store *store;
	struct memory_thread *thread;
	struct thread_info info;
	struct blob *doc;
	struct memory_listing files; /* a copy; unused by append */
	bool revive;
};

static int expect_check(uint64_t expect, bool there, uint64_t revision)
{
	if (expect == STORE_REVISION_ANY)
		return 0;
	if (expect == STORE_REVISION_NONE)
		return there ? -EEXIST : 0;
	return there && revision == expect ? 0 : -ESTALE;
}

static int expect_file(uint64_t expect, const struct memory_file *file)
{
	return expect_check(expect, file, file ? file->info.revision : STORE_REVISION_NONE);
}

static void set_thread(struct thread_info *info, const struct thread_change *change)
{
	if (change->set & SET_MODE)
		info->mode = change->mode;
	if (change->set & SET_OWNER) {
		info->uid = change->uid;
		info->gid = change->gid;
	}
	if (change->set & SET_MTIME)
		info->mtime_ns = change->mtime_ns;
	if (change->set & SET_CREATED)
		info->created_ns = change->created_ns;
	if (change->set & SET_TTL)
		info->ttl_ms = change->ttl_ms;
}

static int set_doc(struct step *s, const struct thread_change *change)
{
	const unsigned any = SET_DOC | SET_DOC_MODE | SET_DOC_OWNER | SET_DOC_MTIME;
	if (change->set & SET_DOC) {
		uint64_t revision = s->info.doc.revision;
		int r = expect_check(change->doc.expect, revision != STORE_REVISION_NONE, revision);
		if (r < 0)
			return r;
		blob_unref(s->doc);
		s->doc = blob_ref(change->doc.text);
		s->info.doc.flags = change->doc.flags;
		s->info.doc.revision = s->info.revision;
	}
	if (change->set & SET_DOC_MODE)
		s->info.doc.mode = change->doc.mode;
	if (change->set & SET_DOC_OWNER) {
		s->info.doc.uid = change->doc.uid;
		s->info.doc.gid = change->doc.gid;
	}
	if (change->set & SET_DOC_MTIME)
		s->info.doc.mtime_ns = change->doc.mtime_ns;
	if (change->set & any)
		s->info.doc.ctime_ns = change->time_ns;
	return 0;
}

/* The thread to be changed, with all of `change` done to the copy of its attributes. */
static int step_init(struct step *s, struct memory_store *m, struct thread_ref ref,
	const struct thread_change *change, unsigned flags)
{
	*s = (struct step){.store = m, .thread = memory_thread_get(m, ref.gen)};
	if (!s->thread)
		return -ENOENT;
	bool live = memory_thread_is_live(m, s->thread);
	if (!live && !(flags & STORE_REVIVE))
		return -ENOENT;
	if (change && change->set & SET_TTL && change->ttl_ms <= 0 &&
		change->ttl_ms != STORE_TTL_NEVER)
		return -EINVAL;
	s->info = s->thread->info;
	s->info.revision = m->last_revision + 1;
	s->info.ctime_ns = change ? change->time_ns : m->clock->now_ns(m->clock);
	s->doc = blob_ref(s->thread->doc);
	s->revive = !live && !memory_thread_live(m, s->info.id);
	if (change) {
		set_thread(&s->info, change);
		int r = set_doc(s, change);
		if (r < 0)
			return r;
	}
	if (s->revive)
		s->info.life++;
	if (s->revive || (live && flags & STORE_RENEW))
		s->info.deadline_ms = memory_deadline(m, s->info.ttl_ms);
	return 0;
}

static void step_done(struct step *s)
{
	blob_unref(s->doc);
	listing_done(&s->files);
}

/* Revisions are given out by place, so that a step that fails has used none. */
static uint64_t step_revision(const struct step *s, size_t place)
{
	return s->info.revision + 1 + place;
}

static void set_file(struct memory_file *file, const struct change *change, unsigned set)
{
	struct file_info *info = &file->info;
	if (set & SET_MODE)
		info->mode = change->mode;
	if (set & SET_OWNER) {
		info->uid = change->uid;
		info->gid = change->gid;
	}
	if (set & SET_MTIME)
		info->mtime_ns = change->mtime_ns;
	if (set & SET_META) {
		blob_unref(info->meta);
		info->meta = blob_ref(change->meta);
	}
	if (set & SET_CONTENT) {
		blob_unref(file->content);
		file->content = blob_ref(change->content);
		info->size = blob_size(change->content);
	}
}

/* What `change` makes of `old` (NULL: a new file), under `name`. NULL: out of memory. */
static struct memory_file *file_changed(
	const struct memory_file *old, const struct change *change, const char *name)
{
	struct memory_file *file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	if (old)
		*file = *old;
	file->refs = 1;
	blob_ref(file->info.meta);
	blob_ref(file->content);
	if (!old)
		file->info.ino = change->ino;
	strcpy(file->info.name, name); /* name_file_check() has measured it */
	set_file(file, change, old ? change->set : ~0u);
	return file;
}

/* Puts a changed file into its listing and keeps last_turn the highest number ever used. */
static int step_put(
	struct step *s, const struct memory_file *old, const struct change *change, size_t place)
{
	const char *name = change->kind == CHANGE_RENAME ? change->to : change->name;
	uint32_t number;
	int r = listing_make_room(&s->files, 1);
	if (r < 0)
		return r;
	struct memory_file *file = file_changed(old, change, name);
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
	int r = expect_file(change->expect, old);
	if (r < 0)
		return r;
	bool same = from == to && strcmp(change->name, change->to) == 0;
	if (!same) {
		r = expect_file(change->to_expect, listing_find(&to->files, change->to));
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
	int r = expect_file(change->expect, old);
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

static void swap_listings(struct memory_listing *a, struct memory_listing *b)
{
	struct memory_listing c = *a;
	*a = *b;
	*b = c;
}

/* Puts all but the files in place. `used`: how many places of step_revision() were used. */
static int step_commit(struct step *s, size_t used, struct thread_info *ret)
{
	struct memory_thread *thread = s->thread;
	int r = s->revive ? memory_thread_take_name(s->store, thread) : 0;
	if (r < 0)
		return r;
	struct blob *doc = thread->doc;
	thread->doc = s->doc;
	s->doc = doc;
	thread->info = s->info;
	thread->info.files = (uint32_t)thread->files.count;
	thread->info.turns = thread->files.turns;
	thread->info.bytes = thread->files.bytes;
	s->store->last_revision = step_revision(s, used);
	if (ret)
		*ret = thread->info;
	return 0;
}

/* The same, with the files. */
static int step_commit_files(struct step *s, size_t used, struct thread_info *ret)
{
	swap_listings(&s->thread->files, &s->files);
	int r = step_commit(s, used, ret);
	if (r < 0)
		swap_listings(&s->thread->files, &s->files);
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
	struct memory_file *file = file_changed(NULL, &change, name);
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
