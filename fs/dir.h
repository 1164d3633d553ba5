/* Directories: opendir, readdir, readdirplus, and syncing one. */
#pragma once

#include "fs.h"

void dir_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void dir_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi);
void dir_read_plus(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi);
void dir_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
/* Whether somebody has the directory open. fs->lock held. */
bool dir_is_open(struct fs *fs, const struct node *node);

/* When the mount has ended: frees those whose release did not come. */
void dir_free_all(struct fs *fs);

void dir_sync(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi);
