/* Nodes and threads: their tables, references and ends. */
#include "node.h"

#include "backup.h"
#include "backup_copy.h"
#include "file.h"
#include "trim.h"
#include "view.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static void node_free(struct fs *fs, struct node *node);

void node_pin(struct node *node)
{
	node->pins++;
}

static void node_end_if_unused(struct fs *fs, struct node *node)
{
	if (!node->nlookup && !node->pins)
		node_free(fs, node);
}

void node_unpin(struct fs *fs, struct node *node)
{
	if (!node)
		return;
	assert(node->pins);
	node->pins--;
	node_end_if_unused(fs, node);
}

void node_known(struct node *node)
{
	node->nlookup++;
}

void node_forget(struct fs *fs, struct node *node, uint64_t count)
{
	node->nlookup -= count < node->nlookup ? count : node->nlookup;
	if (!node->nlookup && node->file) {
		node_pin(node);
		file_drop_if_idle(fs, node->file);
		node_unpin(fs, node);
		return;
	}
	node_end_if_unused(fs, node);
}

/* False: memory is short. It is then found by no lookup, and one that is open stays so. */
static bool node_hash(struct fs *fs, struct node *node)
{
	node->key = node_key(node->ino, node->thread->view);
	node->unhashed = false;
	HASH_ADD(hh, fs->files, key, sizeof node->key, node);
	if (node->unhashed)
		return false;
	DL_DELETE(fs->others, node);
	DL_APPEND(node->thread->nodes, node);
	node->hashed = true;
	return true;
}

void node_unhash(struct fs *fs, struct node *node)
{
	if (!node->hashed)
		return;
	HASH_DEL(fs->files, node);
	DL_DELETE(node->thread->nodes, node);
	DL_APPEND(fs->others, node);
	node->hashed = false;
}

void node_requeue(struct fs *fs, struct node *node)
{
	node_unhash(fs, node);
	node_hash(fs, node);
}

static void thread_free(struct fs *fs, struct thread *thread)
{
	backup_copy_free(fs, thread);
	if (thread->dead)
		DL_DELETE(fs->others, &thread->node);
	else
		HASH_DEL(fs->threads, thread);
	while (thread->id) {
		struct thread_name *former = thread->id->former;
		free(thread->id);
		thread->id = former;
	}
	free(thread->doc_ours);
	free(thread);
}

static void node_free(struct fs *fs, struct node *node)
{
	switch (node->kind) {
	case NODE_ROOT:
	case NODE_CONTROL:
	case NODE_CONTROL_DIR:
	case NODE_VIEW:
		return;
	case NODE_THREAD:
		thread_free(fs, (struct thread *)node);
		return;
	default:
		break;
	}
	struct thread *thread = node->thread;
	assert(!node->file);
	node_unhash(fs, node);
	DL_DELETE(fs->others, node);
	if (thread && thread->doc == node)
		thread->doc = NULL;
	if (thread && thread->stream == node)
		thread->stream = NULL;
	for (int i = 0; thread && i < 2; i++)
		if (thread->transcripts[i] == node)
			thread->transcripts[i] = NULL;
	free(node->name);
	free(node->turn);
	free(node);
	if (thread)
		node_unpin(fs, &thread->node);
}

struct thread *thread_by_gen_in(struct fs *fs, enum thread_view view, uint64_t gen)
{
	struct thread *thread;
	uint64_t key = node_key(gen, view);
	HASH_FIND(hh, fs->threads, &key, sizeof key, thread);
	return thread;
}

struct thread *thread_by_gen(struct fs *fs, uint64_t gen)
{
	return thread_by_gen_in(fs, THREAD_VIEW_LIVE, gen);
}

int thread_rename(struct thread *thread, const char *id)
{
	size_t size = strlen(id) + 1;
	struct thread_name *name = malloc(sizeof *name + size);
	if (!name)
		return -ENOMEM;
	memcpy(name->text, id, size);
	name->former = thread->id;
	thread->id = name;
	return 0;
}

void thread_update(struct fs *fs, struct thread *thread, const struct thread_info *info)
{
	if (thread->revision && info->revision < thread->revision)
		return;
	thread->revision = info->revision;
	thread->deadline_ms = info->deadline_ms;
	thread->ttl_ms = info->ttl_ms;
	thread->mode = info->mode;
	thread->uid = info->uid;
	thread->gid = info->gid;
	thread->doc_flags = info->doc.flags;
	thread->doc_said = info->doc.revision != STORE_REVISION_NONE;
	thread->doc_ino = ino_of_doc(info->doc.ino);
	if (thread->view == THREAD_VIEW_LIVE && info->mtime_ns > fs->latest.mtime_ns) {
		fs->latest.gen = info->gen;
		fs->latest.mtime_ns = info->mtime_ns;
	}
	if (strcmp(thread->id->text, info->id))
		thread_rename(thread, info->id);
}

static bool thread_hash(struct fs *fs, struct thread *thread)
{
	thread->node.key = node_key(thread->gen, thread->view);
	thread->unhashed = false;
	HASH_ADD(hh, fs->threads, node.key, sizeof thread->node.key, thread);
	return !thread->unhashed;
}

struct thread *node_thread_get(struct fs *fs, const struct thread_info *info)
{
	return node_thread_get_in(fs, THREAD_VIEW_LIVE, info);
}

struct thread *node_thread_get_in(
	struct fs *fs, enum thread_view view, const struct thread_info *info)
{
	struct thread *thread = thread_by_gen_in(fs, view, info->gen);
	if (!thread) {
		thread = calloc(1, sizeof *thread);
		if (!thread)
			return NULL;
		thread->node.kind = NODE_THREAD;
		thread->node.ino = info->gen | (view == THREAD_VIEW_BACKUP ? INO_BACKUP : 0);
		thread->gen = info->gen;
		thread->view = view;
		thread->announced = info->last_turn;
		if (thread_rename(thread, info->id) < 0 || !thread_hash(fs, thread)) {
			free(thread->id);
			free(thread);
			return NULL;
		}
	}
	thread_update(fs, thread, info);
	return thread;
}

/* It is in no table of threads any more. */
static void thread_dies(struct fs *fs, struct thread *thread, bool expired)
{
	DL_APPEND(fs->others, &thread->node);
	thread->dead = true;
	thread->expired = expired;
	while (thread->nodes)
		node_unhash(fs, thread->nodes);
}

void thread_kill(struct fs *fs, struct thread *thread, bool expired)
{
	if (thread->dead)
		return;
	HASH_DEL(fs->threads, thread);
	thread_dies(fs, thread, expired);
}

void thread_becomes_live(struct fs *fs, struct thread *thread)
{
	struct thread *other = thread_by_gen(fs, thread->gen);
	struct node *node;
	size_t count;
	if (thread->dead)
		return;
	if (other)
		thread_kill(fs, other, true);
	HASH_DEL(fs->threads, thread);
	thread->view = THREAD_VIEW_LIVE;
	if (!thread_hash(fs, thread)) { /* the next lookup makes another one */
		thread_dies(fs, thread, false);
		return;
	}
	DL_COUNT(thread->nodes, node, count);
	for (; count; count--) {
		node = thread->nodes; /* goes to the list's end with its new key */
		node_unhash(fs, node);
		node_hash(fs, node);
	}
}

bool thread_alive(struct fs *fs, const struct thread *thread)
{
	if (thread->dead)
		return false;
	switch (thread->view) {
	case THREAD_VIEW_EXPIRED:
		return thread->deadline_ms <= store_now_ms(fs->store);
	case THREAD_VIEW_BACKUP:
		return true;
	default:
		return thread->deadline_ms > store_now_ms(fs->store);
	}
}

bool node_is_writable(struct node *node)
{
	const struct thread *thread = node_thread(node);
	if (thread)
		return thread->view == THREAD_VIEW_LIVE;
	return !node->view || node->view->threads == THREAD_VIEW_LIVE;
}

struct node *node_make(
	struct fs *fs, enum node_kind kind, struct thread *thread, const char *name, uint64_t ino)
{
	struct node *node = calloc(1, sizeof *node);
	if (!node)
		return NULL;
	node->kind = kind;
	node->ino = ino;
	node->name = strdup(name);
	if (!node->name) {
		free(node);
		return NULL;
	}
	node->thread = thread;
	if (thread)
		node_pin(&thread->node);
	DL_APPEND(fs->others, node);
	return node;
}

struct node *node_file(struct fs *fs, struct thread *thread, const char *name, uint64_t ino)
{
	struct node *node;
	uint64_t key = node_key(ino, thread->view);
	HASH_FIND(hh, fs->files, &key, sizeof key, node);
	if (node)
		return node;
	enum node_kind kind = thread->view == THREAD_VIEW_BACKUP ? NODE_BACKUP : NODE_FILE;
	node = node_make(fs, kind, thread, name, ino);
	if (node && node_hash(fs, node)) {
		trim_if_many(fs);
		return node;
	}
	if (!node)
		return NULL;
	node_end_if_unused(fs, node);
	return NULL;
}

void node_renumber(struct fs *fs, struct node *node, uint64_t ino)
{
	struct node *other;
	if (node->ino == ino)
		return;
	bool hashed = node->hashed;
	node_unhash(fs, node);
	node->ino = ino;
	if (node->file)
		node->file->info.ino = ino;
	if (!hashed)
		return;
	uint64_t key = node_key(ino, node->thread->view);
	HASH_FIND(hh, fs->files, &key, sizeof key, other);
	if (other) /* what had the number before is gone */
		node_unhash(fs, other);
	node_hash(fs, node);
}

void node_becomes(
	struct fs *fs, struct node *node, enum node_kind kind, const char *name, uint64_t ino)
{
	char *copy = strdup(name);
	if (copy) {
		free(node->name);
		node->name = copy;
	}
	node_unhash(fs, node);
	struct thread *thread = node->thread;
	if (thread->doc == node)
		thread->doc = NULL;
	node->kind = kind;
	node->ino = ino;
	if (kind == NODE_FILE)
		node_hash(fs, node);
	else if (!thread->doc)
		thread->doc = node;
}

void node_rename(struct fs *fs, struct node *node, struct thread *to, char *name)
{
	free(node->name);
	node->name = name;
	if (node->thread == to)
		return;
	struct thread *from = node->thread;
	if (node->hashed) { /* its key stays: both are of the same view */
		DL_DELETE(from->nodes, node);
		DL_APPEND(to->nodes, node);
	}
	node_pin(&to->node);
	node->thread = to;
	node_unpin(fs, &from->node);
}

void node_free_all(struct fs *fs)
{
	struct node *node, *next;
	HASH_ITER (hh, fs->files, node, next)
		node_unhash(fs, node);
	struct thread *thread, *next_thread;
	HASH_ITER (hh, fs->threads, thread, next_thread)
		thread_kill(fs, thread, false);
	/* Those in threads first; each of them holds its thread. */
	DL_FOREACH_SAFE(fs->others, node, next)
	{
		if (!node->thread && node->kind != NODE_VIEW_FILE && node->kind != NODE_VIEW_DIR)
			continue;
		node->pins = 1;
		node->nlookup = 0;
		if (node->file) {
			node_pin(node);
			file_discard(fs, node);
		}
		if (node->thread)
			node_pin(&node->thread->node);
		node_unpin(fs, node);
	}
	DL_FOREACH_SAFE(fs->others, node, next)
	{
		node->pins = 0;
		node->nlookup = 0;
		node_end_if_unused(fs, node);
	}
}
