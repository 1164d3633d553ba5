/* Attributes as the kernel sees them, and how long it may believe them. */
#pragma once

#include "fs.h"

#include <sys/stat.h>

/* Each fills *ret whole. */
void attr_root(struct fs *fs, struct stat *ret);
void attr_thread(struct fs *fs, const struct thread_info *info, struct stat *ret);
void attr_file(struct fs *fs, const struct file_info *info, struct stat *ret);
void attr_doc(struct fs *fs, const struct thread_info *info, uint64_t size, struct stat *ret);
void attr_stream(struct fs *fs, const struct node *node, uint64_t size, struct stat *ret);
void attr_control(struct fs *fs, const struct node *node, uint64_t size, struct stat *ret);

/* Reads a node's attributes, wherever they are now. 0 or -errno. Takes fs->lock itself. */
int attr_get(struct fs *fs, struct node *node, struct stat *ret);

/* Seconds that entries and attributes of a thread may be kept: never past its deadline. */
double attr_timeout(struct fs *fs, int64_t deadline_ms);

/* The same for the root: never past the nearest deadline of all threads. Takes fs->lock itself. */
double attr_timeout_root(struct fs *fs);

/* How long the kernel may keep what attr_get() said of the node: computed sizes not at all. */
double attr_timeout_of(struct fs *fs, struct node *node);

/*
 * 0, or -ENOENT for what went with its thread: a directory that has gone reads as removed (its own
 * attributes stay, with no links), an open file of it goes on answering (T5). Takes fs->lock
 * itself.
 */
int attr_reachable(struct fs *fs, struct node *node);

void attr_get_handler(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);

/* SETATTR, of any node; in setattr.c. */
void setattr_handler(
	fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set, struct fuse_file_info *fi);
