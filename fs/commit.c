/* How a file's content gets to the store: whole, in one step, never half of it. */
#include "announce.h"
#include "conflict.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "lineage.h"
#include "notify.h"

#include "base/log.h"
#include "base/name.h"

#include <string.h>
#include <utlist.h>

enum { DOC_RETRIES = 32 };

/* What a commit takes along: a snapshot of the file, for writing goes on meanwhile. */
struct commit {
	struct fs *fs;
	struct node *node;
	struct thread *thread;
	struct thread_ref ref;
	char name[STORE_NAME_MAX + 1];
	bool draft, replaces, durable, late;
	uint64_t changes;
	struct blob *content;
	struct file_info info; /* meta is a reference of ours */
	/* what came of it */
	uint64_t revision;
	uint32_t settle; /* a number to be settled with thread.json, or 0 */
	struct blob *meta_taken; /* metadata that the new turn took over */
	struct thread_info thread_info;
};

static void commit_done(struct commit *c)
{
	blob_unref(c->content);
	blob_unref(c->info.meta);
	blob_unref(c->meta_taken);
}

/*
 * The metadata of a turn about to be made (M6, M1): its own, else what is kept for its number, else
 * that of the turn it replaces. A new reference or NULL.
 */
static struct blob *meta_for(struct commit *c, struct doc_edit *edit, struct blob *replaced)
{
	uint32_t number;
	if (!name_turn_parse(c->name, &number, NULL))
		return blob_ref(c->info.meta);
	CLEAN_BLOB struct blob *meta =
		edit->root ? doc_take(edit, number, c->info.meta) : blob_ref(c->info.meta);
	return doc_inherit(meta, replaced);
}

static int commit_apply(
	struct commit *c, struct doc_edit *edit, struct blob *replaced, uint64_t replaced_revision)
{
	bool scratch = name_is_scratch(c->name);
	int64_t now = fs_now_ns(c->fs);
	struct thread_change thread = {.time_ns = now};
	unsigned flags = STORE_REVIVE | (scratch ? 0 : STORE_RENEW | fs_durable(c->fs));
	if (c->durable)
		flags |= STORE_DURABLE;
	if (!scratch && !c->late) {
		thread.set = SET_MTIME | SET_DOC_MTIME;
		thread.mtime_ns = thread.doc.mtime_ns = now;
	}
	blob_unref(c->meta_taken);
	c->meta_taken = c->draft ? meta_for(c, edit, replaced) : NULL;
	int rc = doc_edit_into(edit, &thread);
	if (rc < 0)
		return rc;

	struct change changes[2], *put = changes;
	if (replaced_revision)
		*put++ = (struct change){
			.kind = CHANGE_REMOVE, .name = c->name, .expect = replaced_revision};
	*put = (struct change){
		.kind = CHANGE_PUT,
		.name = c->name,
		.expect = c->draft ? STORE_REVISION_NONE : c->info.revision,
		.set = SET_CONTENT | SET_MTIME,
		.ino = c->info.ino,
		.mode = c->info.mode,
		.uid = c->info.uid,
		.gid = c->info.gid,
		.mtime_ns = c->info.mtime_ns,
		.meta = c->meta_taken,
		.content = c->content,
	};
	rc = store_apply(c->fs->store, c->ref, &thread, changes, (size_t)(put - changes) + 1, flags,
		&c->thread_info);
	if (rc < 0)
		return rc;
	c->revision = put->ret_revision;
	c->info.ino = put->ino;
	c->info.ctime_ns = now;
	return 0;
}

/*
 * Another revision than expected may be our own doing: metadata set while this commit was under
 * way. True: it is, the file is still the same one, and c has its revision now.
 */
static bool revision_refresh(struct commit *c)
{
	struct fs *fs = c->fs;
	struct file_info info;
	if (c->draft || store_file_stat(fs->store, c->ref, c->name, &info) < 0)
		return false;
	lineage_settle(fs, c->ref.gen);
	fs_lock(fs);
	bool same = info.ino == c->info.ino && info.revision != c->info.revision &&
		    lineage_leads(fs, c->info.revision, info.revision);
	fs_unlock(fs);
	if (same)
		c->info.revision = info.revision;
	file_info_done(&info);
	return same;
}

static int commit_once(struct commit *c)
{
	struct doc_edit edit = {0};
	struct file_info replaced = {0};
	int rc = 0;
	if (c->replaces) {
		rc = store_file_stat(c->fs->store, c->ref, c->name, &replaced);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	if (c->draft && c->thread->doc_flags) {
		rc = doc_edit_load(c->fs, c->thread, &edit);
		if (rc < 0)
			goto out;
		if (replaced.ino)
			doc_away_forget(&edit, replaced.ino);
	}
	rc = commit_apply(c, &edit, replaced.meta, replaced.revision);
	uint32_t number;
	if (!rc && c->draft && !edit.changed && (c->thread_info.doc.flags & DOC_PENDING) &&
		name_turn_parse(c->name, &number, NULL))
		c->settle = number; /* thread.json may have spoken of it meanwhile */
	if (rc == -ESTALE && (edit.changed || revision_refresh(c)))
		rc = -EAGAIN;
	if (rc == -EEXIST && c->draft)
		rc = -ESTALE; /* W5: the second to commit a name */
out:
	file_info_done(&replaced);
	doc_edit_done(&edit);
	return rc;
}

/* The snapshot. False: there is nothing to commit. fs->lock held, the file is ours (busy). */
static bool commit_begin(struct commit *c, struct file *file)
{
	struct node *node = file->node;
	if (file->unlinked || !file->loaded)
		return false;
	c->thread = node->thread;
	c->ref = thread_ref(c->thread);
	snprintf(c->name, sizeof c->name, "%s", node->name);
	c->draft = file->draft;
	c->replaces = file->replaces;
	/* What commits only at its last release must not undo a utimens of the directory (tar). */
	c->late = file->emptied && c->thread->mtime_set_ns > file->made_ns;
	c->changes = file->changes;
	c->content = blob_ref(file->content);
	c->info = file->info;
	blob_ref(c->info.meta);
	return true;
}

/* Brings the file up to what is in the store now. fs->lock held. */
static void commit_end(struct commit *c, struct file *file)
{
	node_renumber(c->fs, file->node, c->info.ino);
	file->info.revision = c->revision;
	file->info.ctime_ns = c->info.ctime_ns;
	if (c->draft && !file->info.meta)
		file->info.meta = blob_ref(c->meta_taken);
	file->draft = file->replaces = file->claimed = false;
	if (file->changes == c->changes)
		file->emptied = file->mapped = false;
}

/* The text is committed whatever becomes of this. */
static void commit_settle(struct commit *c)
{
	int rc = doc_settle(c->fs, c->thread, c->settle);
	if (rc < 0)
		log_warning("thread %s: what thread.json says of %s is not applied: error %d",
			c->ref.id, c->name, -rc);
}

int file_commit(struct fs *fs, struct node *node, bool durable)
{
	struct commit c = {.fs = fs, .node = node, .durable = durable};
	fs_lock(fs);
	struct file *file = file_get(fs, node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	if (!commit_begin(&c, file)) {
		file_idle(fs, file);
		fs_unlock(fs);
		return 0;
	}
	bool claimed = file->claimed;
	fs_unlock(fs);

	int rc = -EAGAIN;
	for (int i = 0; i < DOC_RETRIES && rc == -EAGAIN; i++)
		rc = commit_once(&c);
	if (rc == -EAGAIN)
		rc = -ESTALE;
	fs_commit_ended(fs, rc);
	if (claimed && !rc)
		store_unclaim(fs->store, c.ref, c.name);

	fs_lock(fs);
	if (!rc)
		commit_end(&c, file);
	uint32_t number;
	if (!rc && c.draft && name_turn_parse(c.name, &number, NULL)) {
		announce_own(c.thread, number, 1);
		metric_add(&fs->metrics, METRIC_TURNS_APPENDED, 1);
	}
	file_idle(fs, file);
	fs_unlock(fs);
	if (!rc)
		expiry_committed(fs, c.thread, &c.thread_info, c.info.ino);
	expiry_refused(fs, c.thread, rc, c.name);
	if (rc == -ESTALE)
		conflict_keep(fs, c.thread, c.name, &c.info, c.content);
	if (c.settle)
		commit_settle(&c);
	if (!rc && !fs->ending) {
		notify_inode(fs, &c.thread->node, false);
		notify_inode(fs, node, !c.draft);
	}
	commit_done(&c);
	return rc;
}

/* The next file that should be committed when the mount ends. fs->lock held. */
static struct node *uncommitted(struct fs *fs)
{
	struct node *node, *next;
	HASH_ITER (hh, fs->files, node, next) {
		struct file *file = node->file;
		if (file && !file->unlinked && (file_left_empty(file) || file->mapped))
			return node;
	}
	return NULL;
}

void file_commit_all(struct fs *fs)
{
	for (;;) {
		fs_lock(fs);
		struct node *node = uncommitted(fs);
		if (node)
			node_pin(node);
		fs_unlock(fs);
		if (!node)
			return;
		int rc = file_commit(fs, node, false);
		fs_lock(fs);
		if (rc < 0) {
			log_error("thread %s: %s could not be committed: error %d",
				node->thread->id->text, node->name, -rc);
			node->file->emptied = node->file->mapped = false;
		}
		node_unpin(fs, node);
		fs_unlock(fs);
	}
}
