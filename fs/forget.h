/*
 * What is known of something may be wrong, for others have changed it: here it is brought up to
 * date, and the kernel forgets what it keeps of it. From the thread of remote.c: these call the
 * store and the kernel.
 *
 * The order matters. First what is known here, so that who asks anew is told the new; then names,
 * for that waits for lookups under way; then attributes and pages, which such a lookup may have
 * brought.
 */
#pragma once

#include "fs.h"

/* The root's own attributes. */
void forget_root(struct fs *fs);

/* A thread: its name, attributes, time to live; it may have come, gone or come back. */
void forget_thread(struct fs *fs, uint64_t gen);

/* A file of it; NULL: any. Says of the thread that it was written to. */
void forget_file(struct fs *fs, uint64_t gen, const char *name);

/* All that the kernel keeps; the store is not asked. */
void forget_cached(struct fs *fs);

/* Everything: as if each thread and each file had changed. */
void forget_everything(struct fs *fs);

/* Names and pages that the kernel may keep of a thread's files. */
void forget_names(struct fs *fs, struct thread *thread);
