/* Descriptors: open, read, write, flush, fsync, release, of everything that has content. */
#pragma once

#include "fs.h"

void handle_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void handle_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);
void handle_read(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi);
void handle_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi);
void handle_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void handle_fsync(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi);
void handle_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);

/*
 * What release does: the handle ends; the last of a file's commits what is due then (files left
 * empty, writes through a mapping), whose error can only be logged.
 */
void handle_close(struct fs *fs, struct handle *handle);

/* When the mount has ended: frees those whose release did not come. */
void handle_free_all(struct fs *fs);

/* ftruncate() of a descriptor, or truncate() of what is no file. 0 or -errno. From the pool. */
int handle_truncate(struct fs *fs, struct node *node, struct handle *handle, off_t size);
