/*
 * Which changes of a thread's own keys in thread.json were this mount's, in a store that others
 * write to (W8): what they were before and after each, as hashes, for as long as nobody else's came
 * between.
 */
#include "doc.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS = 32 };

struct doc_seen {
	uint64_t own;
};

struct doc_ours {
	bool under_way; /* one at a time, so that they are noted in their order */
	unsigned count;
	uint64_t own[STEPS]; /* oldest first; only changes of ours lead from one to the next */
};

/* FNV-1a of the text. */
static uint64_t own_hash(struct doc_edit *edit)
{
	CLEAN_BLOB struct blob *text = json_text(doc_own(edit), 0);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < blob_size(text); i++)
		hash = (hash ^ (unsigned char)blob_data(text)[i]) * UINT64_C(0x100000001b3);
	return hash;
}

int doc_see(struct fs *fs, struct thread *thread, struct doc_seen **ret)
{
	struct doc_edit edit;
	*ret = NULL;
	if (!fs->store->ops->shared)
		return 0;
	int rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	struct doc_seen *seen = malloc(sizeof *seen);
	if (seen)
		seen->own = own_hash(&edit);
	doc_edit_done(&edit);
	*ret = seen;
	return seen ? 0 : -ENOMEM;
}

/* The store refuses what is not made of the newest, so `to` may have been changed since by us. */
static bool ours_lead(const struct doc_ours *ours, uint64_t from, uint64_t to)
{
	bool begun = false;
	for (unsigned i = 0; ours && i < ours->count; i++) {
		begun = begun || ours->own[i] == from;
		if (begun && ours->own[i] == to)
			return true;
	}
	return false;
}

bool doc_overtaken(
	struct fs *fs, struct thread *thread, struct doc_edit *edit, const struct doc_seen *seen)
{
	uint64_t now = seen ? own_hash(edit) : 0;
	if (!seen || now == seen->own)
		return false;
	fs_lock(fs);
	while (thread->doc_ours && thread->doc_ours->under_way)
		pthread_cond_wait(&fs->idle, &fs->lock);
	bool ours = ours_lead(thread->doc_ours, seen->own, now);
	fs_unlock(fs);
	return !ours;
}

void doc_step_begin(
	struct fs *fs, struct thread *thread, struct doc_edit *edit, struct doc_step *step)
{
	*step = (struct doc_step){0};
	if (!fs->store->ops->shared)
		return;
	step->from = own_hash(edit);
	fs_lock(fs);
	if (!thread->doc_ours)
		thread->doc_ours = calloc(1, sizeof *thread->doc_ours);
	while (thread->doc_ours && thread->doc_ours->under_way)
		pthread_cond_wait(&fs->idle, &fs->lock);
	step->counted = thread->doc_ours;
	if (step->counted)
		thread->doc_ours->under_way = true;
	fs_unlock(fs);
}

/* fs->lock held. */
static void step_note(struct doc_ours *ours, uint64_t from, uint64_t to)
{
	if (!ours->count || ours->own[ours->count - 1] != from) {
		ours->own[0] = from;
		ours->count = 1;
	}
	if (ours->count == STEPS) {
		memmove(ours->own, ours->own + 1, (STEPS - 1) * sizeof ours->own[0]);
		ours->count--;
	}
	ours->own[ours->count++] = to;
}

void doc_step_end(struct fs *fs, struct thread *thread, struct doc_edit *edit,
	const struct doc_step *step, int rc)
{
	if (!step->counted)
		return;
	uint64_t to = own_hash(edit);
	fs_lock(fs);
	if (!rc && to != step->from)
		step_note(thread->doc_ours, step->from, to);
	thread->doc_ours->under_way = false;
	pthread_cond_broadcast(&fs->idle);
	fs_unlock(fs);
}
