/* The kernel is asked to forget files; see trim.h. */
#include "trim.h"

#include "entry.h"
#include "node.h"
#include "notify.h"
#include "work.h"

#include <string.h>

enum { BATCH = 64 };

struct batch {
	size_t count;
	struct {
		struct thread *thread; /* pinned */
		char text[STORE_NAME_MAX + 1];
	} names[BATCH + 1];
};

static void batch_add(struct batch *batch, struct thread *thread, const char *name)
{
	node_pin(&thread->node);
	batch->names[batch->count].thread = thread;
	strcpy(batch->names[batch->count].text, name);
	batch->count++;
}

/* Takes the next names; *left is how many files are still to be passed. */
static void batch_take(struct fs *fs, struct batch *batch, size_t *left)
{
	struct thread *last = NULL;
	batch->count = 0;
	fs_lock(fs);
	while (batch->count < BATCH && *left && fs->files) {
		struct node *node = fs->files; /* they are in order of their coming */
		bool keep = node->used || node->file;
		--*left;
		node->used = false;
		node_requeue(fs, node);
		if (keep)
			continue;
		if (node->thread != last && node->thread->doc)
			batch_add(batch, node->thread, ENTRY_DOC);
		last = node->thread;
		batch_add(batch, node->thread, node->name);
	}
	fs_unlock(fs);
}

static void batch_forget(struct fs *fs, struct batch *batch)
{
	for (size_t i = 0; i < batch->count && !fs->ending; i++)
		notify_entry(fs, &batch->names[i].thread->node, batch->names[i].text);
	fs_lock(fs);
	for (size_t i = 0; i < batch->count; i++)
		node_unpin(fs, &batch->names[i].thread->node);
	fs_unlock(fs);
}

static void trim_run(struct fs *fs, struct work *work)
{
	struct batch batch;
	fs_lock(fs);
	size_t left = HASH_COUNT(fs->files) - TRIM_TO;
	fs_unlock(fs);
	while (left && !fs->ending) {
		batch_take(fs, &batch, &left);
		batch_forget(fs, &batch);
	}
	fs_lock(fs);
	/* Those that stay are not gone through again for each one that comes. */
	fs->trim.from = HASH_COUNT(fs->files) + (TRIM_FROM - TRIM_TO);
	fs->trim.running = false;
	fs_unlock(fs);
}

void trim_init(struct fs *fs)
{
	fs->trim.work.run = trim_run;
	fs->trim.from = TRIM_FROM;
}

void trim_if_many(struct fs *fs)
{
	size_t known = HASH_COUNT(fs->files);
	if (known <=
		TRIM_FROM) /* what was asked for has happened: its FORGETs come when they come */
		fs->trim.from = TRIM_FROM;
	if (fs->trim.running || known <= fs->trim.from || fs->ending)
		return;
	fs->trim.running = true;
	work_submit_locked(fs, &fs->trim.work);
}
