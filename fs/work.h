/* A small pool for what may wait for the disk or must tell the kernel something before it replies.
 */
#pragma once

#include "state.h"

/*
 * Something to be done away from the request handlers: commit, invalidate, reply. Embed it first in
 * a struct of your own; `run` frees it.
 */
struct work {
	void (*run)(struct fs *fs, struct work *work);
	struct work *next;
};

int work_init(struct fs *fs);

/* Queues it. It runs soon, on a thread of the pool, without any lock held. */
void work_submit(struct fs *fs, struct work *work);

/*
 * The same in a pool of its own, for requests that change names in a directory: the kernel holds
 * that directory's lock until they are answered, so none of them may tell it anything of a name.
 */
void work_submit_names(struct fs *fs, struct work *work);

/* Runs what is queued and ends the threads. */
void work_done(struct fs *fs);
