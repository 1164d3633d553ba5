/* Nodes and threads: what the kernel holds, found by address, by inode number, by generation. */
#pragma once

#include "state.h"

/* The node behind a node id of the kernel's. */
static inline struct node *node_of(struct fs *fs, fuse_ino_t id)
{
	return id == FUSE_ROOT_ID ? &fs->root : (struct node *)(uintptr_t)id;
}

static inline fuse_ino_t node_id(struct fs *fs, const struct node *node)
{
	return node == &fs->root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)node;
}

static inline struct thread *node_thread(struct node *node)
{
	return node->kind == NODE_THREAD ? (struct thread *)node : node->thread;
}

static inline struct thread_ref thread_ref(const struct thread *thread)
{
	return (struct thread_ref){.id = thread->id->text, .gen = thread->gen};
}

/* Keys of what is seen in several views; in the live one the plain number. */
static inline uint64_t node_key(uint64_t number, enum thread_view view)
{
	return number | (uint64_t)view << 62;
}

/* Whether what it shows may change through it: it is in no read-only view. */
bool node_is_writable(struct node *node);

/* All below: fs->lock is held. Those that make something return NULL when out of memory. */

void node_pin(struct node *node);
void node_unpin(struct fs *fs, struct node *node); /* takes NULL; may end the node */

/* The kernel has been given one more reference, or gives `count` back. */
void node_known(struct node *node);
void node_forget(struct fs *fs, struct node *node, uint64_t count);

/* The thread that `info` tells of, made if the kernel has none yet; brought up to date. */
struct thread *node_thread_get(struct fs *fs, const struct thread_info *info);
struct thread *node_thread_get_in(
	struct fs *fs, enum thread_view view, const struct thread_info *info);
struct thread *thread_by_gen(struct fs *fs, uint64_t gen); /* the live one, or NULL */
struct thread *thread_by_gen_in(struct fs *fs, enum thread_view view, uint64_t gen);

/* Takes over what the store said last; older news (by revision) changes nothing. */
void thread_update(struct fs *fs, struct thread *thread, const struct thread_info *info);

/* The name may change; what points to the old text stays valid while the thread lives. -ENOMEM. */
int thread_rename(struct thread *thread, const char *id);

/* Past its deadline or removed: it and its nodes leave the tables, so that nobody finds them again.
 */
void thread_kill(struct fs *fs, struct thread *thread, bool expired);

/*
 * A thread of a read-only view, and its nodes, are live ones from now on, where they stand: a
 * rename has moved the kernel's names for them.
 */
void thread_becomes_live(struct fs *fs, struct thread *thread);

/* Whether it is there for the kernel: not removed; live before its deadline, expired after it. */
bool thread_alive(struct fs *fs, const struct thread *thread);

/* A file's node; `name` is copied. Found by inode number or made. */
struct node *node_file(struct fs *fs, struct thread *thread, const char *name, uint64_t ino);
void node_rename(struct fs *fs, struct node *node, struct thread *to, char *name);

/*
 * The kernel's inode stands for something else now: a rename over thread.json, or of it, moved its
 * name there. Handles that are open go on as they were. On lack of memory the old name stays.
 */
void node_becomes(
	struct fs *fs, struct node *node, enum node_kind kind, const char *name, uint64_t ino);

/* The store keeps the file under another number than was chosen for it here; then that is its. */
void node_renumber(struct fs *fs, struct node *node, uint64_t ino);

/* Nobody finds it by its inode number any more. */
void node_unhash(struct fs *fs, struct node *node);

/* Behind all others in fs->files, which are in order of their coming. */
void node_requeue(struct fs *fs, struct node *node);

/* A node of another kind; `thread` may be NULL. */
struct node *node_make(
	struct fs *fs, enum node_kind kind, struct thread *thread, const char *name, uint64_t ino);

/* When the mount has ended: frees all that the kernel still held. */
void node_free_all(struct fs *fs);
