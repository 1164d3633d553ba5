/* Adding turns at the end of a thread: what @role and @transcript.jsonl do. */
#pragma once

#include "fs.h"

#define APPEND_NOW INT64_MIN /* mtime_ns of a turn: when it is added */

/*
 * Adds `count` turns (inode numbers not given yet) in one step, and gives each the metadata that
 * thread.json already keeps for its number. *ret_first: the number of the first. 0 or -errno.
 */
int append_turns(struct fs *fs, struct thread *thread, struct turn_new *turns, size_t count,
	bool durable, uint32_t *ret_first);

/*
 * Whoever makes a file with a turn's name asks for the mark, looks whether the number is free,
 * makes the file known, and then settles: no turn that was being added meanwhile has the number
 * unseen, none that is added from then on takes it. True: some were added, so look again. fs->lock
 * held; append_settle() lets go of it to wait for the store.
 */
uint64_t append_mark(const struct thread *thread);
bool append_settle(struct fs *fs, struct thread *thread, uint64_t mark);

/* Mode and owner of a turn that a handle makes (M4). fs->lock held. */
void append_owner(const struct thread *thread, const struct handle *handle, struct turn_new *turn);
