/* Names: lookup, making and removing of files, threads and what is computed. */
#pragma once

#include "fs.h"

/*
 * What the kernel is told of a node it is given: attributes and how long they and the name hold.
 * Counts one reference of the kernel's. 0 or -errno. Takes fs->lock itself.
 */
int entry_fill(struct fs *fs, struct node *node, struct fuse_entry_param *ret);

/* The reply did not arrive: that reference is not held. */
void entry_unreplied(struct fs *fs, struct node *node);

/* Replies with a pinned node, and unpins it. */
void entry_reply(fuse_req_t req, struct node *node);

/* Makes a file for CREATE and MKNOD, or brings thread.json back. 0 or -errno; *ret is pinned. */
int entry_make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, bool exclusive,
	struct node **ret);

/* Finds what `name` is in a thread: 0 and a pinned node, or -errno. */
int entry_find(struct fs *fs, struct thread *thread, const char *name, struct node **ret);

/* The live thread of that name: 0 and its node pinned, or -errno. */
int entry_find_thread(struct fs *fs, const char *name, struct node **ret);

/* thread.json's name, and whether it is hidden now (after an unlink, until something changes). */
#define ENTRY_DOC "thread.json"
bool entry_doc_hidden(const struct thread *thread);

/* Whether it has files that are not in the store yet. */
bool entry_has_drafts(struct fs *fs, struct thread *thread);

void entry_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void entry_forget(fuse_req_t req, fuse_ino_t id, uint64_t count);
void entry_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void entry_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void entry_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void entry_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void entry_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void entry_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags);
void entry_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void entry_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t to_parent, const char *to);
