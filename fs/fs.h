/* What the concerns of the mount share: numbers, times, checks, replies. */
#pragma once

#include "node.h"

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline void fs_lock(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
}

static inline void fs_unlock(struct fs *fs)
{
	pthread_mutex_unlock(&fs->lock);
}

/* Now by the wall clock, ns, never the same twice nor earlier than before. Takes fs->lock itself.
 */
int64_t fs_now_ns(struct fs *fs);

/* A fresh inode number. 0 or the store's -errno. Takes fs->lock itself. */
int fs_ino_new(struct fs *fs, uint64_t *ret);

/* Replies 0 or -errno to a request: the one place where the sign turns to FUSE's. */
void fs_reply(fuse_req_t req, int rc);

/* Remembers how a commit ended, so that write() can tell at once (W3). Any thread. */
void fs_commit_ended(struct fs *fs, int rc);

/* 0, or what a write would fail with now: asks the store again at most twice a second (W3). */
int fs_write_allowed(struct fs *fs);

/* The store was away and is back: what that made writes fail with is over. */
void fs_store_is_back(struct fs *fs);

/* STORE_DURABLE where the mount promises it for each close(), else 0. */
unsigned fs_durable(const struct fs *fs);

/* The root's listing changed. Takes fs->lock itself; asks the store. */
void fs_root_touch(struct fs *fs, int64_t now_ns);

/* The thread behind a directory's node id, if it is alive: 0, -ENOENT, or -ENOTDIR. fs->lock held.
 */
int fs_thread_of(struct fs *fs, fuse_ino_t id, struct thread **ret);
