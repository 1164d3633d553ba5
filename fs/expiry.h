/*
 * Deadlines: a heap of all threads' and a thread that tells the kernel, at the instant, what has
 * gone.
 *
 * What the kernel caches of a thread runs out by itself just before the deadline (attr_timeout);
 * the thread here ends what a timeout does not reach: open directories, the root's listing, names
 * that were cached under a longer ttl.
 */
#pragma once

#include "fs.h"

/* What wakes the thread is there from here on. 0 or -errno; expiry_stop() either way. */
int expiry_init(struct fs *fs);

/* Starts the thread, and in the pool the reading of all deadlines. 0 or -errno. */
int expiry_start(struct fs *fs);
void expiry_stop(struct fs *fs);

/* Submits that reading: what expiry_start() does; in expiry_load.c. 0 or -ENOMEM. */
int expiry_load(struct fs *fs);

/*
 * Changes were not told for a while: what is known of deadlines to come is forgotten, and read
 * anew in the pool; in expiry_load.c. Takes fs->lock itself.
 */
void expiry_reload(struct fs *fs);

/*
 * Where others write, each time that one of them renews a thread may leave an entry behind: when
 * there are far more of them than threads they are read anew. Takes fs->lock itself.
 */
void expiry_shrink(struct fs *fs);

/* The thread looks again at what is due. */
void expiry_wake(struct fs *fs);

/* A thread has, or will have, this deadline. Takes fs->lock itself; expiry_push() needs it held. */
void expiry_push(struct fs *fs, uint64_t gen, int64_t deadline_ms);
void expiry_add(struct fs *fs, uint64_t gen, int64_t deadline_ms);

/* The rest is in expiry_told.c. A thread's ttl or life changed by `info`, perhaps to end sooner
 * than the kernel was told. */
void expiry_changed(struct fs *fs, struct thread *thread, const struct thread_info *info);

/*
 * What was written through `thread` is in the store, which tells of the thread in `info`: takes
 * that over. If it had expired while a descriptor was open, it may be back, or have taken it where
 * it lies in grace (T5); that is logged, and what stands for it now hears of it. `ino`: the file's
 * that was written, 0 for none. Takes fs->lock itself. From the pool.
 */
void expiry_committed(
	struct fs *fs, struct thread *thread, const struct thread_info *info, uint64_t ino);

/* It was refused: says so in the log if that is because the thread is erased. */
void expiry_refused(struct fs *fs, struct thread *thread, int rc, const char *what);

/*
 * The nearest deadline that is known, STORE_DEADLINE_NEVER if there is none; it is the nearest of
 * all threads once fs->deadlines_loaded. fs->lock held.
 */
int64_t expiry_nearest_ms(const struct fs *fs);
