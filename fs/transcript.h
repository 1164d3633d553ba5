/* @transcript.md and @transcript.jsonl: the whole conversation in one read; .jsonl takes appends
 * (W7). */
#pragma once

#include "fs.h"

/* The thread's node if `name` is one of the two, else NULL (or out of memory). fs->lock held. */
struct node *transcript_node(struct fs *fs, struct thread *thread, const char *name);

bool transcript_is(const char *name);
bool transcript_writable(const struct node *node);

/* The conversation as it is now. 0 or -errno. The last one built is kept for the next who asks. */
int transcript_text(struct fs *fs, const struct node *node, struct blob **ret);
int transcript_size(struct fs *fs, const struct node *node, uint64_t *ret);

/*
 * Makes the lines written since the last commit turns, all in one step. -EINVAL: a line is no JSON
 * object with role and content; then nothing is added. From the pool.
 */
int transcript_commit(struct fs *fs, struct handle *handle, bool durable);
