/* What others have changed: brought up to date here, forgotten by the kernel. */
#include "forget.h"

#include "announce.h"
#include "entry.h"
#include "expired.h"
#include "expiry.h"
#include "health.h"
#include "notify.h"
#include "version.h"

#include "base/log.h"
#include "base/name.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { ANNOUNCED_MAX = 32 }; /* turns of one thread, told of at a time */

static void root_changed(struct fs *fs)
{
	atomic_fetch_add(&fs->root_changes, 1);
	notify_inode(fs, &fs->root, true);
}

void forget_root(struct fs *fs)
{
	struct root_info info;
	int rc = store_root_get(fs->store, &info);
	fs_lock(fs);
	if (!rc && info.mode)
		fs->root_info = info;
	fs_unlock(fs);
	root_changed(fs);
}

/* The hashed nodes of a thread, pinned; *ret to be freed. */
static size_t nodes_of(struct fs *fs, struct thread *thread, struct node ***ret)
{
	struct node *node;
	size_t count, i = 0;
	fs_lock(fs);
	DL_COUNT(thread->nodes, node, count);
	struct node **nodes = count ? reallocarray(NULL, count, sizeof(struct node *)) : NULL;
	if (nodes)
		DL_FOREACH(thread->nodes, node)
		{
			node_pin(node);
			nodes[i++] = node;
		}
	fs_unlock(fs);
	*ret = nodes;
	return i;
}

static void nodes_done(struct fs *fs, struct node **nodes, size_t count)
{
	fs_lock(fs);
	for (size_t i = 0; i < count; i++)
		node_unpin(fs, nodes[i]);
	fs_unlock(fs);
	free(nodes);
}

/* The name of a pinned node that is the kernel's, then what it keeps of the node. */
static void node_forgotten(struct fs *fs, struct thread *thread, struct node *node)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	snprintf(name, sizeof name, "%s", node->name);
	bool open = node->file && node->file->handles;
	if (!open)
		node->told = STORE_REVISION_ANY;
	fs_unlock(fs);
	notify_entry(fs, &thread->node, name);
	notify_inode(fs, node, !open); /* who has it open goes on reading its version */
	fs_lock(fs);
	if (node->told == STORE_REVISION_ANY)
		node->told = STORE_REVISION_NONE;
	fs_unlock(fs);
}

void forget_names(struct fs *fs, struct thread *thread)
{
	struct node **nodes;
	size_t count = nodes_of(fs, thread, &nodes);
	for (size_t i = 0; i < count; i++)
		node_forgotten(fs, thread, nodes[i]);
	nodes_done(fs, nodes, count);
	notify_entry(fs, &thread->node, ENTRY_DOC);
}

/* The thread of that generation that the kernel knows, pinned; or NULL. */
static struct thread *known(struct fs *fs, uint64_t gen)
{
	fs_lock(fs);
	struct thread *thread = thread_by_gen(fs, gen);
	if (thread)
		node_pin(&thread->node);
	fs_unlock(fs);
	return thread;
}

static void unpin(struct fs *fs, struct thread *thread)
{
	fs_lock(fs);
	if (thread)
		node_unpin(fs, &thread->node);
	fs_unlock(fs);
}

/* Removed by others: as rmdir does it here, and the kernel has not seen it. */
static void gone(struct fs *fs, struct thread *thread)
{
	char id[STORE_NAME_MAX + 1];
	struct node **nodes;
	size_t count = nodes_of(fs, thread, &nodes);
	fs_lock(fs);
	snprintf(id, sizeof id, "%s", thread->id->text);
	thread_kill(fs, thread, false);
	fs_unlock(fs);
	for (size_t i = 0; i < count; i++)
		node_forgotten(fs, thread, nodes[i]);
	nodes_done(fs, nodes, count);
	notify_entry(fs, &thread->node, ENTRY_DOC);
	notify_entry(fs, &fs->root, id);
	notify_inode(fs, &thread->node, true);
	announce_gone(fs, id);
}

/* What the store says of it now. A thread that the kernel does not know still has a deadline. */
static void taken_over(struct fs *fs, struct thread *thread, const struct thread_info *info)
{
	char id[STORE_NAME_MAX + 1];
	fs_lock(fs);
	snprintf(id, sizeof id, "%s", thread->id->text);
	fs_unlock(fs);
	expiry_changed(fs, thread, info);
	if (!strcmp(id, info->id))
		return;
	notify_entry(fs, &fs->root, id);
	notify_entry(fs, &fs->root, info->id);
	announce_gone(fs, id);
}

/* Its life in .turnfs/expired ends when it is live again. */
static void taken_over_in_grace(struct fs *fs, const struct thread_info *info)
{
	fs_lock(fs);
	struct thread *thread = thread_by_gen_in(fs, THREAD_VIEW_EXPIRED, info->gen);
	if (thread)
		thread_update(fs, thread, info);
	fs->expired.changes++;
	fs_unlock(fs);
}

/* Which thread changed last is looked for when somebody asks. */
static void forget_latest(struct fs *fs)
{
	fs_lock(fs);
	fs->latest.gen = 0;
	fs->latest.mtime_ns = INT64_MAX;
	fs_unlock(fs);
}

void forget_thread(struct fs *fs, uint64_t gen)
{
	struct thread_info info;
	struct thread *thread = known(fs, gen);
	struct thread_ref ref = thread ? thread_ref(thread) : (struct thread_ref){"", gen};
	int rc = store_thread_stat(fs->store, ref, &info);
	if (!rc) {
		taken_over_in_grace(fs, &info);
		forget_latest(fs);
	} else {
		expired_changed(fs);
	}
	if (thread && rc == -ENOENT)
		gone(fs, thread);
	else if (thread && !rc)
		taken_over(fs, thread, &info);
	else if (!thread && !rc)
		expiry_add(fs, gen, info.deadline_ms);
	if (thread && rc != -ENOENT) {
		if (rc < 0) /* lost, or the store is away: whoever asks is told so */
			forget_names(fs, thread);
		notify_entry(fs, &thread->node, ENTRY_DOC);
		notify_inode(fs, &thread->node, true);
	}
	root_changed(fs);
	health_count_again(fs);
	unpin(fs, thread);
}

/* T9: turns that others have added. */
static void announce_turns(struct fs *fs, struct thread *thread, uint32_t last_turn)
{
	fs_lock(fs);
	uint32_t first = thread->announced + 1;
	if (last_turn > thread->announced)
		thread->announced = last_turn;
	fs_unlock(fs);
	if (last_turn >= ANNOUNCED_MAX && first <= last_turn - ANNOUNCED_MAX)
		first = last_turn - ANNOUNCED_MAX + 1;
	for (; first <= last_turn; first++) {
		struct file_info info;
		if (store_turn_stat(fs->store, thread_ref(thread), first, &info) < 0)
			continue;
		announce_turn(fs, thread, info.name);
		file_info_done(&info);
	}
}

static void file_forgotten(struct fs *fs, struct thread *thread, const char *name)
{
	struct file_info info = {0};
	struct node *moved = NULL, *node = version_named(fs, thread, name);
	int rc = store_file_stat(fs->store, thread_ref(thread), name, &info);
	file_info_done(&info);
	if (node && !rc && info.ino == node->ino)
		version_look(fs, node);
	else if (node && (!rc || rc == -ENOENT))
		version_left(fs, node);
	if (!rc && (!node || info.ino != node->ino))
		moved = version_numbered(fs, info.ino);
	if (moved) {
		version_follow(fs, moved, thread, name);
		version_look(fs, moved);
	}
	notify_entry(fs, &thread->node, name);
	if (node)
		node_forgotten(fs, thread, node);
	if (moved)
		node_forgotten(fs, thread, moved);
	fs_lock(fs);
	node_unpin(fs, node);
	node_unpin(fs, moved);
	fs_unlock(fs);
}

static void files_forgotten(struct fs *fs, struct thread *thread)
{
	struct node **nodes;
	size_t count = nodes_of(fs, thread, &nodes);
	for (size_t i = 0; i < count; i++) {
		version_look(fs, nodes[i]);
		node_forgotten(fs, thread, nodes[i]);
	}
	nodes_done(fs, nodes, count);
	notify_entry(fs, &thread->node, ENTRY_DOC);
}

void forget_file(struct fs *fs, uint64_t gen, const char *name)
{
	struct thread_info info;
	struct thread *thread = known(fs, gen);
	forget_latest(fs);
	if (!thread)
		return; /* what the heap says of it is too early at worst */
	int rc = store_thread_stat(fs->store, thread_ref(thread), &info);
	if (rc == -ENOENT) {
		gone(fs, thread);
		root_changed(fs);
		health_count_again(fs);
	} else {
		if (!rc)
			taken_over(fs, thread, &info);
		if (name)
			file_forgotten(fs, thread, name);
		else
			files_forgotten(fs, thread);
		notify_inode(fs, &thread->node, true);
		if (!rc)
			announce_turns(fs, thread, info.last_turn);
	}
	unpin(fs, thread);
}

/* All live threads that the kernel knows, pinned; *ret to be freed. */
static size_t threads_of(struct fs *fs, struct thread ***ret)
{
	struct thread *thread, *next;
	size_t i = 0;
	fs_lock(fs);
	size_t count = HASH_COUNT(fs->threads);
	struct thread **threads = count ? reallocarray(NULL, count, sizeof(struct thread *)) : NULL;
	if (threads)
		HASH_ITER (hh, fs->threads, thread, next) {
			if (thread->view != THREAD_VIEW_LIVE)
				continue;
			node_pin(&thread->node);
			threads[i++] = thread;
		}
	fs_unlock(fs);
	*ret = threads;
	return i;
}

void forget_cached(struct fs *fs)
{
	struct thread **threads;
	root_changed(fs);
	size_t count = threads_of(fs, &threads);
	for (size_t i = 0; i < count && !fs->ending; i++) {
		char id[STORE_NAME_MAX + 1];
		fs_lock(fs);
		snprintf(id, sizeof id, "%s", threads[i]->id->text);
		fs_unlock(fs);
		notify_inode(fs, &threads[i]->node, true);
		forget_names(fs, threads[i]);
		notify_entry(fs, &fs->root, id);
		notify_inode(fs, &threads[i]->node, true);
	}
	for (size_t i = 0; i < count; i++)
		unpin(fs, threads[i]);
	free(threads);
}

void forget_everything(struct fs *fs)
{
	struct thread **threads;
	forget_cached(fs);
	forget_root(fs);
	expired_changed(fs);
	size_t count = threads_of(fs, &threads);
	for (size_t i = 0; i < count && !fs->ending; i++) {
		fs_lock(fs);
		threads[i]->revision = 0; /* the store may have gone back in time */
		fs_unlock(fs);
		forget_thread(fs, threads[i]->gen);
		forget_file(fs, threads[i]->gen, NULL);
	}
	for (size_t i = 0; i < count; i++)
		unpin(fs, threads[i]);
	free(threads);
	forget_latest(fs);
}
