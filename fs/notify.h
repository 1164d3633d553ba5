/*
 * Telling the kernel that something it keeps is no longer so. Only from the pool and the expiry
 * thread: never inside a request handler, never under a lock (the kernel may wait for a handler).
 */
#pragma once

#include "node.h"

/* The attributes of a node; with `data` its cached pages or listing too. */
void notify_inode(struct fs *fs, const struct node *node, bool data);

/* Its attributes and, from there on, its pages. */
void notify_growth(struct fs *fs, const struct node *node, uint64_t from);

/* A name in the root or in a thread. */
void notify_entry(struct fs *fs, const struct node *parent, const char *name);
