/* Descriptors: open, read, write, flush, fsync, release, of everything that has content. */
#pragma once

#include "fs.h"

/* A handle for a request's descriptor; it pins the node. NULL: out of memory. */
struct handle *handle_make(fuse_req_t req, struct node *node, int flags);

/* It ends without what a release does: it was never open for anybody. */
void handle_free(struct fs *fs, struct handle *handle);

/* Whether open()'s flags let it write. */
bool handle_is_writer(int flags);

/* Whether it has written what is not committed; a file counts such handles. fs->lock held. */
void handle_wrote(struct handle *handle, bool wrote);

/* What it wrote is no longer in flight. fs->lock held. */
void handle_uncount(struct fs *fs, struct handle *handle);

/* open.c */
void handle_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void handle_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *fi);

/* data.c */
void handle_read(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi);
void handle_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi);

/* flush.c */
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
