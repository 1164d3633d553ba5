/* @role: a stream whose every open becomes one turn (W6). */
#pragma once

#include "fs.h"

/* A fresh node for one lookup of `@role`; NULL: out of memory. fs->lock held. */
struct node *stream_node(struct fs *fs, struct thread *thread, const char *role);

/* Makes what was written so far a turn, or completes the turn it has become. From the pool. */
int stream_commit(struct fs *fs, struct handle *handle, bool durable);
