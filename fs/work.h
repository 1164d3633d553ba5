/* A small pool for what may wait for the disk or must tell the kernel something before it replies.
 */
#pragma once

#include "state.h"

int work_init(struct fs *fs);

/* Queues it. It runs soon, on a thread of the pool, without any lock held. */
void work_submit(struct fs *fs, struct work *work);
void work_submit_locked(struct fs *fs, struct work *work); /* fs->lock is held */

/*
 * The same in a pool of its own, for requests that change names in a directory: the kernel holds
 * that directory's lock until they are answered, so none of them may tell it anything of a name.
 */
void work_submit_names(struct fs *fs, struct work *work);

/* Runs what is queued and ends the threads. */
void work_done(struct fs *fs);
