/* Making and removing: files, threads; and refusing what a mount of conversations has no place for.
 */
#include "entry.h"

#include "attr.h"
#include "control.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "ledger.h"

#include "base/log.h"
#include "base/name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <utlist.h>

/* thread.json after an unlink, or before anything was said: to create it is to show it. */
static int make_doc(struct fs *fs, struct thread *thread, bool exclusive, struct node **ret)
{
	fs_lock(fs);
	bool makeable = entry_doc_hidden(thread) || !thread->doc_said;
	thread->doc_hidden = 0;
	fs_unlock(fs);
	if (!makeable) /* somebody has said something since its LOOKUP; ESTALE: look again */
		return exclusive ? -EEXIST : -ESTALE;
	return entry_find(fs, thread, ENTRY_DOC, ret);
}

int entry_make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, bool exclusive,
	struct node **ret)
{
	struct fs *fs = fs_of(req);
	struct thread *thread;
	int rc = fs_thread_of(fs, parent, &thread);
	if (rc == -ENOTDIR)
		return -EPERM; /* the root and .turnfs have no files of their own (N5) */
	if (rc < 0)
		return rc;
	if (!strcmp(name, ENTRY_DOC))
		return make_doc(fs, thread, exclusive, ret);
	return file_make(fs, thread, name, mode, exclusive, fuse_req_ctx(req), ret);
}

/*
 * mknod, as tar does it: the empty file is stored at once, without waiting for the disk, for nobody
 * has it open whose close() could.
 */
void entry_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct fs *fs = fs_of(req);
	struct node *node;
	int rc = S_ISREG(mode) ? entry_make(req, parent, name, mode, true, &node) : -EPERM;
	if (!rc && node->kind == NODE_FILE) {
		rc = file_commit(fs, node, false);
		if (rc < 0) {
			file_unmake(fs, node, false);
			fs_lock(fs);
			node_unpin(fs, node);
			fs_unlock(fs);
		}
	}
	if (rc < 0)
		fs_reply(req, rc);
	else
		entry_reply(req, node);
}

/* Hides thread.json until it is made again or the thread changes; clears nothing (M3). */
static int unlink_doc(struct fs *fs, struct thread *thread)
{
	fs_lock(fs);
	bool hidden = entry_doc_hidden(thread);
	thread->doc_hidden = thread->revision;
	fs_unlock(fs);
	return hidden ? -ENOENT : 0;
}

/*
 * Removes a stored file. What was remembered of a turn it once was goes in the same step (M6).
 */
static int unlink_stored(struct fs *fs, struct thread *thread, const char *name, uint64_t ino)
{
	bool scratch = name_is_scratch(name);
	struct change change = {.kind = CHANGE_REMOVE, .name = name, .expect = STORE_REVISION_ANY};
	struct thread_info info;
	int rc = -ESTALE;
	for (int i = 0; i < 32 && rc == -ESTALE; i++) {
		struct doc_edit edit = {0};
		int64_t now = fs_now_ns(fs);
		struct thread_change thread_change = {.time_ns = now};
		if (!scratch) {
			thread_change.set = SET_MTIME | SET_DOC_MTIME;
			thread_change.mtime_ns = thread_change.doc.mtime_ns = now;
		}
		rc = 0;
		if (thread->doc_flags & DOC_AWAY) {
			rc = doc_edit_load(fs, thread, &edit);
			if (!rc)
				doc_away_forget(&edit, ino);
			if (!rc)
				rc = doc_edit_into(&edit, &thread_change);
		}
		if (!rc)
			rc = store_apply(fs->store, thread_ref(thread), &thread_change, &change, 1,
				scratch ? 0 : STORE_RENEW | fs_durable(fs), &info);
		doc_edit_done(&edit);
	}
	fs_commit_ended(fs, rc);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, thread, &info);
	fs_unlock(fs);
	return 0;
}

static int unlink_file(struct fs *fs, struct node *node)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	struct file *file = file_get(fs, node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	file->leaving = true;
	struct thread *thread = node->thread;
	bool stored = !file->draft || file->replaces;
	bool claimed = file->claimed;
	snprintf(name, sizeof name, "%s", node->name);
	fs_unlock(fs);

	int rc = file_keep(fs, node);
	if (!rc && stored)
		rc = unlink_stored(fs, thread, name, node->ino);
	if (!rc && claimed)
		store_unclaim(fs->store, thread_ref(thread), name);
	fs_lock(fs);
	if (!rc) {
		file->unlinked = true;
		node_unhash(fs, node);
	}
	file_idle(fs, file);
	fs_unlock(fs);
	return rc;
}

void entry_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct thread *thread;
	struct node *node;
	int rc = fs_thread_of(fs, parent, &thread);
	if (rc == -ENOTDIR || name[0] == '@') {
		fs_reply(req, -EPERM);
		return;
	}
	if (!rc && !strcmp(name, ENTRY_DOC)) {
		fs_reply(req, unlink_doc(fs, thread));
		return;
	}
	if (!rc)
		rc = entry_find(fs, thread, name, &node);
	if (!rc) {
		rc = unlink_file(fs, node);
		fs_lock(fs);
		node_unpin(fs, node);
		fs_unlock(fs);
	}
	fs_reply(req, rc);
}

static int thread_make(
	struct fs *fs, const char *name, mode_t mode, const struct fuse_ctx *ctx, struct node **ret)
{
	uint64_t gen, doc;
	int rc = fs_ino_new(fs, &gen);
	if (!rc)
		rc = fs_ino_new(fs, &doc);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	struct root_info root = fs->root_info;
	fs_unlock(fs);
	int64_t now = fs_now_ns(fs);
	bool inherits = root.mode & S_ISGID;
	struct thread_info info = {
		.gen = gen,
		.mode = (mode & 07777) | (inherits ? S_ISGID : 0),
		.uid = ctx->uid,
		.gid = inherits ? root.gid : ctx->gid,
		.created_ns = now,
		.mtime_ns = now,
		.ctime_ns = now,
		.ttl_ms = fs->options->ttl_ms,
		.doc = {.ino = doc, .mtime_ns = now, .ctime_ns = now},
	};
	info.doc.mode = info.mode & 0666;
	info.doc.uid = info.uid;
	info.doc.gid = info.gid;
	snprintf(info.id, sizeof info.id, "%s", name);
	struct thread_info made;
	rc = store_thread_create(fs->store, &info, STORE_DURABLE, &made);
	if (rc != -EEXIST)
		fs_commit_ended(fs, rc);
	if (rc < 0)
		return rc;
	fs_root_touch(fs, now);
	expiry_add(fs, made.gen, made.deadline_ms);
	metric_threads(&fs->metrics, 1, 0);
	fs_lock(fs);
	struct thread *thread = node_thread_get(fs, &made);
	if (thread)
		node_pin(&thread->node);
	fs_unlock(fs);
	if (!thread)
		return -ENOMEM;
	*ret = &thread->node;
	return 0;
}

void entry_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fs *fs = fs_of(req);
	struct node *node;
	struct thread *thread;
	int rc = name_thread_check(name);
	if (node_of(fs, parent)->kind != NODE_ROOT) /* one that is gone is not there at all */
		rc = fs_thread_of(fs, parent, &thread) == -ENOENT ? -ENOENT : -EPERM;
	if (!rc)
		rc = thread_make(fs, name, mode, fuse_req_ctx(req), &node);
	if (rc < 0)
		fs_reply(req, rc);
	else
		entry_reply(req, node);
}

bool entry_has_drafts(struct fs *fs, struct thread *thread)
{
	bool found = false;
	struct file *file;
	fs_lock(fs);
	LL_FOREACH(thread->files, file)
	found = found || (file->draft && !file->unlinked);
	fs_unlock(fs);
	return found;
}

static int thread_unmake(struct fs *fs, struct thread *thread)
{
	if (entry_has_drafts(fs, thread))
		return -ENOTEMPTY;
	int64_t now = fs_now_ns(fs);
	struct thread_info info;
	ledger_ready(fs);
	int rc = store_thread_remove(fs->store, thread_ref(thread), now, &info);
	if (rc < 0)
		return rc;
	info.turns = info.last_turn; /* it is empty now: what it once had is worth telling */
	ledger_entered(fs, LEDGER_DELETED, info.id, &info, "");
	fs_lock(fs);
	thread_kill(fs, thread, false);
	fs_unlock(fs);
	fs_root_touch(fs, now);
	return 0;
}

void entry_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node *node;
	if (node_of(fs, parent)->kind != NODE_ROOT || control_named(name)) {
		fs_reply(req, -EPERM);
		return;
	}
	int rc = entry_find_thread(fs, name, &node);
	if (!rc) {
		rc = thread_unmake(fs, (struct thread *)node);
		fs_lock(fs);
		node_unpin(fs, node);
		fs_unlock(fs);
	}
	fs_reply(req, rc);
}

void entry_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	fs_reply(req, -EPERM);
}

void entry_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t to_parent, const char *to)
{
	fs_reply(req, -EPERM);
}
