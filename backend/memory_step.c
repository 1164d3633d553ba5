/* A step of the in-memory store: a thread changed on a copy, then put in place; see memory_step.h.
 */
#include "memory_step.h"

#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int step_expect_file(uint64_t expect, const struct memory_file *file)
{
	return rules_expect(expect, file ? file->info.revision : STORE_REVISION_NONE);
}

static int set_doc(struct step *s, const struct thread_change *change)
{
	if (change->set & SET_DOC) {
		int r = rules_expect_doc(change->doc.expect, s->info.doc.revision);
		if (r < 0)
			return r;
		blob_unref(s->doc);
		s->doc = blob_ref(change->doc.text);
		s->info.doc.flags = change->doc.flags;
		s->info.doc.revision = s->info.revision;
	}
	rules_set_doc(&s->info, change);
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
		rules_set_thread(&s->info, change);
		int r = set_doc(s, change);
		if (r < 0)
			return r;
	}
	if (s->revive)
		s->info.life++;
	if (s->revive || (live && flags & STORE_RENEW))
		s->info.deadline_ms = rules_deadline(memory_now(m), s->info.ttl_ms);
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
	rules_set_file(&file->info, change, set);
	if (set & SET_CONTENT) {
		blob_unref(file->content);
		file->content = blob_ref(change->content);
		file->info.size = blob_size(change->content);
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
	if (s->revive)
		memory_ledger_back(s->store, &thread->info, &s->info);
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
