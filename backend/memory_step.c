/* A step of the in-memory store: a thread changed on a copy, then put in place; see memory_step.h.
 */
#include "memory_step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int expect_check(uint64_t expect, bool there, uint64_t revision)
{
	if (expect == STORE_REVISION_ANY)
		return 0;
	if (expect == STORE_REVISION_NONE)
		return there ? -EEXIST : 0;
	return there && revision == expect ? 0 : -ESTALE;
}

int step_expect_file(uint64_t expect, const struct memory_file *file)
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

int step_init(struct step *s, struct memory_store *m, struct thread_ref ref,
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

void step_done(struct step *s)
{
	blob_unref(s->doc);
	listing_done(&s->files);
}

uint64_t step_revision(const struct step *s, size_t place)
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

struct memory_file *step_file_changed(
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

static void swap_listings(struct memory_listing *a, struct memory_listing *b)
{
	struct memory_listing c = *a;
	*a = *b;
	*b = c;
}

int step_commit(struct step *s, size_t used, struct thread_info *ret)
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

int step_commit_files(struct step *s, size_t used, struct thread_info *ret)
{
	swap_listings(&s->thread->files, &s->files);
	int r = step_commit(s, used, ret);
	if (r < 0)
		swap_listings(&s->thread->files, &s->files);
	return r;
}
