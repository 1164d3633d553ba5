/*
 * Open files: turns and attachments while descriptors are open on them or their content is newer
 * than the store's. What one process writes is in struct file and so seen by all; a commit takes it
 * to the store whole.
 */
#pragma once

#include "fs.h"

#include <sys/stat.h>

/* The file of a node, made if need be; NULL: out of memory. fs->lock is held, for both. */
struct file *file_get(struct fs *fs, struct node *node);
void file_drop_if_idle(struct fs *fs, struct file *file);

/* When the mount has ended: what is left of a node's file is freed. fs->lock need not be held. */
void file_discard(struct fs *fs, struct node *node);

/* The uncommitted file of that name in a thread, or NULL. fs->lock is held. */
struct file *file_draft(struct thread *thread, const char *name);

/* The highest number of a turn among the uncommitted files, 0: none. fs->lock is held. */
uint32_t file_highest_draft(const struct thread *thread);

/* Waits until nobody else changes the file in the store, and reserves that for us. fs->lock held.
 */
void file_busy(struct fs *fs, struct file *file);
void file_idle(struct fs *fs, struct file *file);

/* Sees to it that content and info are there. 0 or -errno. Takes fs->lock itself. */
int file_load(struct fs *fs, struct node *node);

/*
 * Before a file is removed or replaced: who has it open, or is about to open what it has just
 * looked up, goes on reading it. 0 or -errno; a damaged file is let go. Takes fs->lock itself.
 */
int file_keep(struct fs *fs, struct node *node);

/* Attributes, from the file if it is newer, else from the store. 0 or -errno. */
int file_attr(struct fs *fs, struct node *node, struct stat *ret);

/* chmod, chown, utimens: `set` of SET_MODE, SET_OWNER, SET_MTIME. 0 or -errno. From the pool. */
int file_set_attr(struct fs *fs, struct node *node, unsigned set, uint32_t mode, uint32_t uid,
	uint32_t gid, int64_t mtime_ns);

/*
 * Cuts or fills up to `size`. Without a handle it is committed at once. 0 or -errno. From the pool.
 */
int file_truncate(struct fs *fs, struct node *node, struct handle *handle, off_t size);

/* O_TRUNC: no content from now on, which commits at the last release at the latest. 0 or -errno. */
int file_cut(struct fs *fs, struct node *node);

/*
 * Makes a draft: a file that is here and not in the store yet. `exclusive`: its name is claimed
 * there. 0 or -errno (EEXIST: also when another turn has its number); *ret is pinned.
 */
int file_make(struct fs *fs, struct thread *thread, const char *name, mode_t mode, bool exclusive,
	const struct fuse_ctx *ctx, struct node **ret);

/*
 * Takes a file's content and attributes to the store in one step. `durable`: even where the mount's
 * options would not ask for it. 0 or -errno. From the pool, or when the mount ends.
 */
int file_commit(struct fs *fs, struct node *node, bool durable);

/*
 * Whether it was made or cut to nothing and is meant to stay so. False too if a write may have been
 * refused meanwhile without our knowing: then it is as it was before (W9). fs->lock held.
 */
bool file_left_empty(const struct file *file);

/* A new file that could not be opened (or `opened` and not told of) is as if it was never made. */
void file_unmake(struct fs *fs, struct node *node, bool opened);

/*
 * A refused write leaves what was there before (W9): unless another descriptor has written too, a
 * draft goes and a file reads as stored again. From the pool.
 */
void file_revert(struct fs *fs, struct node *node);

/* It has another name, or thread, now. Takes over `name`. fs->lock held. */
void file_moved(struct fs *fs, struct node *node, struct thread *to, char *name);

/* Whether a turn other than the file `but` has the number, in the store or about to be. 0, -EEXIST…
 */
int file_number_free(struct fs *fs, struct thread *thread, const char *name, const char *but);

/* When the mount ends: what commits at the last release. */
void file_commit_all(struct fs *fs);
