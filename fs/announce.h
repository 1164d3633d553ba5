/*
 * T9: telling watchers of what the kernel has not seen happen. The announcer (announcer.h) makes or
 * removes the name through the mount; its requests are known by its process id and answered from
 * what is there already, without changing anything.
 *
 * Announce after the kernel was told to drop the name, never inside a request handler or under a
 * lock.
 */
#pragma once

#include "announcer.h"
#include "fs.h"

/* The mount is there, and not yet served. */
void announce_mounted(struct fs *fs, const char *mountpoint);

/* A thread has expired. From the expiry thread. */
void announce_expired(struct fs *fs, uint64_t gen);

/* A thread of that name is gone by others' doing, and the kernel has dropped it. */
void announce_gone(struct fs *fs, const char *id);

/* A turn is there that nobody created through the kernel. From the pool. */
void announce_turn(struct fs *fs, struct thread *thread, const char *name);

/* Turns that we have made ourselves are no news of others'. fs->lock held. */
void announce_own(struct thread *thread, uint32_t first, uint32_t count);

/* What the announcer asks is answered here; everybody else's request is passed on. */
void announce_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void announce_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void announce_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
