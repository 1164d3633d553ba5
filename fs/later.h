/*
 * Requests that change names, run in a pool of their own: they wait for the disk, and the session's
 * few threads (one a core) must stay free for those who only read.
 */
#pragma once

#include "fs.h"

void later_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void later_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void later_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void later_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void later_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags);
