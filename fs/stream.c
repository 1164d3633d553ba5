/* @role: a stream whose every open becomes one turn. */
#include "stream.h"

#include "append.h"
#include "conflict.h"
#include "expiry.h"
#include "lineage.h"
#include "notify.h"
#include "version.h"

#include "base/name.h"

#include <stdlib.h>
#include <string.h>

enum { RETRIES = 32 };

struct node *stream_node(struct fs *fs, struct thread *thread, const char *role)
{
	struct node *node = thread->stream;
	if (node && !strcmp(node->name, role)) {
		thread->stream = NULL;
		free(node->turn);
		node->turn = NULL;
		return node;
	}
	return node_make(fs, NODE_STREAM, thread, role, INO_STREAM | ++fs->special_ino);
}

/* The first flush with something written: a turn with the next number. */
static int stream_append(struct fs *fs, struct handle *handle, struct blob *text, bool durable)
{
	struct node *node = handle->node;
	struct turn_new turn = {.role = node->name, .content = text, .mtime_ns = APPEND_NOW};
	uint32_t number;
	fs_lock(fs);
	append_owner(node->thread, handle, &turn);
	fs_unlock(fs);
	int rc = append_turns(fs, node->thread, &turn, 1, durable, &number);
	if (rc < 0)
		return rc;
	char name[STORE_NAME_MAX + 1];
	name_turn_format(name, number, node->name);
	char *copy = strdup(name);
	fs_lock(fs);
	handle->number = number;
	handle->ino = turn.ino;
	handle->revision = turn.ret_revision;
	free(node->turn);
	node->turn = copy;
	fs_unlock(fs);
	return 0;
}

/* Who has the turn open sees it grow. Returns its node pinned, or NULL. */
static struct node *grow_open_file(
	struct fs *fs, uint64_t ino, struct blob *text, const struct change *change, int64_t now)
{
	struct node *node;
	fs_lock(fs);
	HASH_FIND(hh, fs->files, &ino, sizeof ino, node);
	if (node) {
		node_pin(node);
		struct file *file = node->file;
		if (file) {
			file->changes++; /* a load under way begins again */
			lineage_adopt(fs, file, change->ret_revision);
			file->info.size = blob_size(text);
			file->info.mtime_ns = file->info.ctime_ns = now;
			file->emptied = false; /* what cut it has nothing left to commit */
		}
		if (file && file->loaded) {
			blob_unref(file->content);
			file->content = blob_ref(text);
		}
	}
	fs_unlock(fs);
	return node;
}

/* Whether another mount has changed the turn since we wrote it (W8). */
static bool is_others(struct fs *fs, const struct handle *handle, uint64_t revision)
{
	lineage_settle(fs, handle->node->thread->gen);
	fs_lock(fs);
	bool ours = lineage_leads(fs, handle->revision, revision);
	fs_unlock(fs);
	return !ours;
}

/* The turn that a stream has become, where it is now. */
struct became {
	struct thread *thread; /* pinned */
	struct file_info turn;
	bool replaced; /* another file has its number */
};

static void became_done(struct fs *fs, struct became *became)
{
	fs_lock(fs);
	node_unpin(fs, &became->thread->node);
	fs_unlock(fs);
	file_info_done(&became->turn);
}

/* Renamed on this mount, perhaps to another thread, it is known by its inode number. */
static int became_known(struct fs *fs, uint64_t ino, struct became *became)
{
	char name[STORE_NAME_MAX + 1];
	struct node *node;
	fs_lock(fs);
	HASH_FIND(hh, fs->files, &ino, sizeof ino, node);
	if (node) {
		snprintf(name, sizeof name, "%s", node->name);
		node_pin(&node->thread->node);
		node_unpin(fs, &became->thread->node);
		became->thread = node->thread;
	}
	fs_unlock(fs);
	return node ? store_file_stat(fs->store, thread_ref(became->thread), name, &became->turn)
		    : -ENOENT;
}

/* -ENOENT: it was removed or replaced. became_done() in any case. */
static int became_find(struct fs *fs, const struct handle *handle, struct became *became)
{
	*became = (struct became){.thread = handle->node->thread};
	fs_lock(fs);
	node_pin(&became->thread->node);
	fs_unlock(fs);
	int rc = store_turn_stat(
		fs->store, thread_ref(became->thread), handle->number, &became->turn);
	if (!rc && became->turn.ino != handle->ino) {
		file_info_done(&became->turn);
		became->replaced = true;
		rc = -ENOENT;
	}
	if (rc == -ENOENT)
		rc = became_known(fs, handle->ino, became);
	if (rc == -ENOENT) /* the kernel has forgotten it, or another mount has renamed it */
		rc = version_find(fs, became->thread, handle->ino, &became->turn);
	return rc;
}

/* Tells whoever has it open, and the kernel, of a turn that has grown. */
static void stream_tell(struct fs *fs, struct handle *handle, struct thread *thread,
	struct blob *text, const struct change *change)
{
	struct node *node = grow_open_file(fs, handle->ino, text, change, change->mtime_ns);
	if (node)
		notify_inode(fs, node, true);
	notify_inode(fs, &thread->node, false);
	fs_lock(fs);
	node_unpin(fs, node);
	fs_unlock(fs);
}

/* Writes the text over the turn that was found. 0, -ESTALE: look again, or the store's. */
static int complete_once(struct fs *fs, struct became *became, struct blob *text, bool durable,
	struct change *change, struct thread_info *info)
{
	bool scratch = name_is_scratch(became->turn.name);
	int64_t now = fs_now_ns(fs);
	*change = (struct change){
		.kind = CHANGE_PUT,
		.name = became->turn.name,
		.expect = became->turn.revision,
		.set = SET_CONTENT | SET_MTIME,
		.mtime_ns = now,
		.content = text,
	};
	struct thread_change thread_change = {.set = scratch ? 0 : SET_MTIME | SET_DOC_MTIME,
		.time_ns = now,
		.mtime_ns = now,
		.doc.mtime_ns = now};
	return store_apply(fs->store, thread_ref(became->thread), &thread_change, change, 1,
		(scratch ? 0 : STORE_RENEW) | STORE_REVIVE | fs_durable(fs) |
			(durable ? STORE_DURABLE : 0),
		info);
}

/* Later flushes: the same turn, with all that was written, whatever it is called by now. */
static int stream_complete(struct fs *fs, struct handle *handle, struct blob *text, bool durable)
{
	struct became became;
	struct thread_info info;
	struct change change;
	int rc = -ESTALE;
	bool lost = false;
	for (int i = 0; i < RETRIES && rc == -ESTALE && !lost; i++) {
		if (i)
			became_done(fs, &became);
		rc = became_find(fs, handle, &became);
		lost = !rc && is_others(fs, handle, became.turn.revision);
		if (!rc)
			rc = lost ? -ESTALE
				  : complete_once(fs, &became, text, durable, &change, &info);
	}
	if (lost) {
		conflict_keep(fs, became.thread, became.turn.name, &became.turn, text);
	} else {
		if (rc == -ENOENT && became.replaced)
			rc = -ESTALE;
		fs_commit_ended(fs, rc);
		expiry_refused(fs, became.thread, rc, "a turn");
	}
	if (!rc) {
		handle->revision = change.ret_revision;
		expiry_committed(fs, became.thread, &info, handle->ino);
		stream_tell(fs, handle, became.thread, text, &change);
	}
	became_done(fs, &became);
	return rc;
}

int stream_commit(struct fs *fs, struct handle *handle, bool durable)
{
	fs_lock(fs);
	CLEAN_BLOB struct blob *text = blob_ref(handle->text);
	bool first = !handle->number;
	bool nothing = blob_size(text) == handle->committed;
	fs_unlock(fs);
	if (nothing)
		return 0;
	int rc = first ? stream_append(fs, handle, text, durable)
		       : stream_complete(fs, handle, text, durable);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	handle->committed = blob_size(text);
	fs_unlock(fs);
	return 0;
}
