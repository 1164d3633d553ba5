/*
 * .turnfs/backup: the live threads, read-only, for backup tools (B1). What is promised of a thread
 * while a tool works through it stands in backup_copy.h. The kernel caches nothing of it; each
 * descriptor has the text it was opened with. st_ino is the live one with bit 62 set.
 */
#pragma once

#include "fs.h"

#include <jansson.h>
#include <sys/stat.h>

#define INO_BACKUP (UINT64_C(1) << 62)

static inline bool backup_has(struct node *node)
{
	const struct thread *thread = node_thread(node);
	return thread && thread->view == THREAD_VIEW_BACKUP;
}

/* The view's own node. */
struct node *backup_root(struct fs *fs);

/* A request of `asker` looks a thread up, or (`opens`) opens its directory. 0 or -errno. */
int backup_asked(struct fs *fs, struct node *node, pid_t asker, bool opens);

/* What `name` is in a thread of the view: 0 and a pinned node, or -errno. */
int backup_find_file(struct fs *fs, struct thread *thread, const char *name, struct node **ret);

/* Attributes of a thread or file of the view, or of its root. 0 or -errno. */
int backup_attr(struct fs *fs, struct node *node, struct stat *ret);

/* What a file reads as; what metadata a file or thread has: a new reference. 0 or -errno. */
int backup_text(struct fs *fs, struct node *node, struct blob **ret);
int backup_meta(struct fs *fs, struct node *node, json_t **ret);

/* Calls `add` for each file of a thread. fs->lock is held meanwhile. 0 or -errno. */
int backup_each(struct fs *fs, struct thread *thread,
	int (*add)(void *arg, const char *name, uint64_t ino), void *arg);
