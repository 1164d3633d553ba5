/* Extended attributes: metadata of turns and threads, and the mount's own user.turnfs.* (M1, T4).
 */
#pragma once

#include "fs.h"

void xattr_get(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void xattr_list(fuse_req_t req, fuse_ino_t id, size_t size);
void xattr_set(
	fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size, int flags);
void xattr_remove(fuse_req_t req, fuse_ino_t id, const char *name);
