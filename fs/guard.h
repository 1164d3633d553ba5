/* The handlers of requests that change something: what is in a read-only view ends with EROFS. */
#pragma once

#include "fs.h"

void guard_setattr(
	fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set, struct fuse_file_info *fi);
void guard_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void guard_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void guard_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void guard_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void guard_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void guard_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags);
void guard_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t to_parent, const char *to);
void guard_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void guard_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);
void guard_access(fuse_req_t req, fuse_ino_t id, int mask);
void guard_setxattr(
	fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size, int flags);
void guard_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);
