/*
 * Versions of a file that others change while it is open here (M5): its descriptors go on reading
 * the version they were opened with, unless the new one only adds at the end, which they see. Any
 * other new version gets a node of its own at the next lookup; the old node is STALE then: nobody
 * finds it any more, its open() is ESTALE, so that the kernel looks again, and what was written
 * through it meets ESTALE at its commit (W8).
 */
#pragma once

#include "fs.h"

/* The node that stands for that name of a thread, pinned, or NULL. */
struct node *version_named(struct fs *fs, struct thread *thread, const char *name);

/* The node of that inode number in the root's threads, pinned, or NULL. */
struct node *version_numbered(struct fs *fs, uint64_t ino);

/*
 * The file of that number, whatever the thread calls it now, on whatever mount it was renamed. 0
 * and the caller owns *ret; -ENOENT: the thread has it no more; else the store's.
 */
int version_find(struct fs *fs, struct thread *thread, uint64_t ino, struct file_info *ret);

/* Others may have changed what the node stands for. From remote.c's thread. */
void version_look(struct fs *fs, struct node *node);

/* The store has something else, or nothing, under the node's name. From remote.c's thread. */
void version_left(struct fs *fs, struct node *node);

/* Others have renamed the file: the node goes along, if it is so. */
void version_follow(struct fs *fs, struct node *node, struct thread *to, const char *name);

/*
 * The kernel is told of that revision (attributes, or pages that an open() leaves it). False: it
 * may hold something of another one that was not our own doing. fs->lock held.
 */
bool version_told(struct fs *fs, struct node *node, uint64_t revision);
