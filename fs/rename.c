/* RENAME: of threads, of files within a thread and between two, in one step (W11, M6). */
#include "entry.h"

#include "control.h"
#include "doc.h"
#include "file.h"
#include "ledger.h"

#include "base/log.h"
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOC_RETRIES = 32 };

/* One rename of a file: what it is about, and what the store is to do. */
struct renaming {
	struct fs *fs;
	struct thread *from, *to;
	const char *name, *new_name;
	struct node *node, *victim; /* pinned; victim NULL: there is none */
	bool across;
	uint32_t settle; /* a number to be settled with thread.json, or 0 */
};

/* fs->lock held. Reserves both files, always in the same order. */
static int reserve(struct renaming *r)
{
	struct node *first = r->node, *second = r->victim;
	if (second && second < first) {
		first = r->victim;
		second = r->node;
	}
	struct file *file = file_get(r->fs, first);
	if (!file || (second && !file_get(r->fs, second)))
		return -ENOMEM;
	file_busy(r->fs, file);
	if (second)
		file_busy(r->fs, second->file);
	if (r->victim)
		r->victim->file->leaving = true;
	return 0;
}

/* fs->lock held. */
static void unreserve(struct renaming *r)
{
	if (r->victim)
		file_idle(r->fs, r->victim->file);
	file_idle(r->fs, r->node->file);
}

/* The victim is gone for all but those who have it open. fs->lock held. */
static void victim_gone(struct renaming *r)
{
	if (!r->victim)
		return;
	r->victim->file->unlinked = true;
	node_unhash(r->fs, r->victim);
}

/*
 * A draft takes its new name here only; if a stored file has it, that one stays in the store until
 * the draft commits, which takes it away in the same step: no crash leaves half of the new or
 * nothing. fs->lock held; takes over `copy`.
 */
static void rename_draft(struct renaming *r, char *copy)
{
	struct file *file = r->node->file;
	struct file *victim = r->victim ? r->victim->file : NULL;
	bool stored = victim && (!victim->draft || victim->replaces);
	file->replaces = stored;
	victim_gone(r);
	file_moved(r->fs, r->node, r->to, copy);
}

/* What the new name's metadata is: its own, what is kept for the number, the replaced turn's (M6).
 */
static int meta_of_new_name(
	struct renaming *r, struct doc_edit *edit, struct change *change, struct blob **ret)
{
	uint32_t number;
	if (!name_turn_parse(r->new_name, &number, NULL))
		return 0;
	struct file_info own = {0}, victim = {0};
	int rc = store_file_stat(r->fs->store, thread_ref(r->from), r->name, &own);
	if (rc < 0)
		return rc;
	*ret = edit->root ? doc_take(edit, number, own.meta) : blob_ref(own.meta);
	if (!*ret && r->victim) {
		rc = store_file_stat(r->fs->store, thread_ref(r->to), r->new_name, &victim);
		if (!rc)
			*ret = blob_ref(victim.meta);
		rc = 0;
	}
	if (*ret) {
		change->set |= SET_META;
		change->meta = *ret;
	}
	file_info_done(&own);
	file_info_done(&victim);
	return rc;
}

/* A turn that is renamed to a name that is no turn's remembers what it was. */
static int remember_turn(struct renaming *r, struct doc_edit *edit)
{
	uint32_t number;
	if (r->across || !name_turn_parse(r->name, &number, NULL) ||
		name_turn_parse(r->new_name, NULL, NULL))
		return 0;
	struct file_info info;
	int rc = store_file_stat(r->fs->store, thread_ref(r->from), r->name, &info);
	if (rc < 0)
		return rc;
	doc_away(edit, number, info.ino, info.meta);
	file_info_done(&info);
	return 0;
}

static bool doc_concerned(const struct renaming *r)
{
	bool was_turn = name_turn_parse(r->name, NULL, NULL);
	bool is_turn = name_turn_parse(r->new_name, NULL, NULL);
	return r->to->doc_flags || (was_turn && !is_turn && !r->across);
}

static int rename_stored_once(struct renaming *r, struct thread_info *from, struct thread_info *to,
	uint64_t *ret_revision, struct blob **ret_meta)
{
	struct fs *fs = r->fs;
	bool scratch = name_is_scratch(r->name) && name_is_scratch(r->new_name);
	int64_t now = fs_now_ns(fs);
	struct thread_change thread = {.time_ns = now};
	unsigned flags = scratch ? 0 : STORE_RENEW | fs_durable(fs);
	struct change change = {.kind = CHANGE_RENAME,
		.name = r->name,
		.expect = STORE_REVISION_ANY,
		.to = r->new_name,
		.to_expect = r->victim ? STORE_REVISION_ANY : STORE_REVISION_NONE};
	struct doc_edit edit = {0};
	CLEAN_BLOB struct blob *meta = NULL;
	if (!scratch) {
		thread.set = SET_MTIME | SET_DOC_MTIME;
		thread.mtime_ns = thread.doc.mtime_ns = now;
	}
	struct thread_change from_thread = thread;
	int rc = doc_concerned(r) ? doc_edit_load(fs, r->to, &edit) : 0;
	if (!rc && edit.root)
		rc = remember_turn(r, &edit);
	if (!rc)
		rc = meta_of_new_name(r, &edit, &change, &meta);
	if (!rc && edit.root && !r->across && name_turn_parse(r->new_name, NULL, NULL))
		doc_away_forget(&edit, r->node->ino);
	if (!rc)
		rc = doc_edit_into(&edit, &thread);
	if (!rc && r->across)
		rc = store_move(fs->store, thread_ref(r->from), thread_ref(r->to), &change,
			&from_thread, &thread, flags, from, to);
	else if (!rc)
		rc = store_apply(fs->store, thread_ref(r->from), &thread, &change, 1, flags, to);
	bool told = edit.changed;
	doc_edit_done(&edit);
	uint32_t number;
	if (!rc && !told && (to->doc.flags & DOC_PENDING) &&
		name_turn_parse(r->new_name, &number, NULL))
		r->settle = number;
	if (!rc) {
		*ret_revision = change.ret_revision;
		*ret_meta = blob_ref(meta);
	}
	return rc;
}

static int rename_stored(struct renaming *r)
{
	struct fs *fs = r->fs;
	struct thread_info from, to;
	uint64_t revision = STORE_REVISION_NONE;
	CLEAN_BLOB struct blob *meta = NULL;
	char *copy = strdup(r->new_name);
	if (!copy)
		return -ENOMEM;
	int rc = -ESTALE;
	for (int i = 0; i < DOC_RETRIES && rc == -ESTALE; i++)
		rc = rename_stored_once(r, &from, &to, &revision, &meta);
	fs_commit_ended(fs, rc);
	if (rc < 0) {
		free(copy);
		return rc;
	}
	fs_lock(fs);
	victim_gone(r);
	struct file *file = r->node->file;
	file->info.revision = revision;
	if (meta && file->known) {
		blob_unref(file->info.meta);
		file->info.meta = blob_ref(meta);
	}
	file_moved(fs, r->node, r->to, copy);
	if (r->across)
		thread_update(fs, r->from, &from);
	thread_update(fs, r->to, &to);
	fs_unlock(fs);
	if (r->settle)
		doc_settle(fs, r->to, r->settle);
	return 0;
}

/* A draft that shadows a stored file moves on: what it shadowed is gone from the old name. */
static int drop_shadowed(struct renaming *r)
{
	struct change change = {
		.kind = CHANGE_REMOVE, .name = r->name, .expect = STORE_REVISION_ANY};
	struct thread_change thread = {.time_ns = fs_now_ns(r->fs)};
	struct thread_info info;
	int rc = store_apply(r->fs->store, thread_ref(r->from), &thread, &change, 1,
		STORE_RENEW | fs_durable(r->fs), &info);
	if (rc < 0)
		return rc;
	fs_lock(r->fs);
	r->node->file->replaces = false;
	thread_update(r->fs, r->from, &info);
	fs_unlock(r->fs);
	return 0;
}

/* The files are reserved; fs->lock is not held. */
static int rename_reserved(struct renaming *r)
{
	struct fs *fs = r->fs;
	fs_lock(fs);
	bool draft = r->node->file->draft, shadows = r->node->file->replaces;
	fs_unlock(fs);
	int rc = 0;
	if (r->victim)
		rc = file_keep(fs, r->victim);
	if (rc < 0)
		return rc;
	if (!draft)
		return rename_stored(r);
	char *copy = strdup(r->new_name);
	if (!copy)
		return -ENOMEM;
	if (shadows)
		rc = drop_shadowed(r);
	if (rc < 0) {
		free(copy);
		return rc;
	}
	fs_lock(fs);
	rename_draft(r, copy);
	fs_unlock(fs);
	return 0;
}

/* thread.json gets a whole new text, and owner, mode and time, from the file renamed over it. */
static int rename_over_doc(struct renaming *r)
{
	struct fs *fs = r->fs;
	if (r->across)
		return -EXDEV;
	fs_lock(fs);
	struct file *file = file_get(fs, r->node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	file->users++;
	fs_unlock(fs);
	int rc = file_load(fs, r->node);
	if (!rc) {
		fs_lock(fs);
		CLEAN_BLOB struct blob *text = blob_ref(file->content);
		struct file_info source = file->info;
		bool draft = file->draft;
		fs_unlock(fs);
		snprintf(source.name, sizeof source.name, "%s", draft ? "" : r->name);
		rc = doc_write(fs, r->from, text, &source);
	}
	fs_lock(fs);
	if (!rc) {
		file->unlinked = true;
		node_becomes(fs, r->node, NODE_DOC, ENTRY_DOC, r->from->doc_ino);
	}
	file->users--;
	file_idle(fs, file);
	fs_unlock(fs);
	return rc;
}

/* thread.json renamed away (vim's backup): a copy of it as an attachment; it hides itself. */
static int rename_doc_away(struct renaming *r)
{
	struct fs *fs = r->fs;
	CLEAN_BLOB struct blob *text = NULL;
	uint64_t ino;
	if (r->across || name_turn_parse(r->new_name, NULL, NULL))
		return -EXDEV;
	struct thread_info info;
	int rc = store_thread_stat(fs->store, thread_ref(r->from), &info);
	if (!rc)
		rc = doc_text(fs, r->from, &text);
	if (!rc)
		rc = fs_ino_new(fs, &ino);
	if (rc < 0)
		return rc;
	struct change changes[2] = {
		{.kind = CHANGE_REMOVE, .name = r->new_name, .expect = STORE_REVISION_ANY},
		{
			.kind = CHANGE_PUT,
			.name = r->new_name,
			.expect = STORE_REVISION_NONE,
			.set = SET_CONTENT | SET_MODE | SET_OWNER | SET_MTIME,
			.ino = ino,
			.mode = info.doc.mode,
			.uid = info.doc.uid,
			.gid = info.doc.gid,
			.mtime_ns = info.doc.mtime_ns,
			.content = text,
		}};
	struct thread_change thread = {.time_ns = fs_now_ns(fs)};
	rc = store_apply(fs->store, thread_ref(r->from), &thread, changes, 2,
		name_is_scratch(r->new_name) ? 0 : STORE_RENEW, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, r->from, &info);
	r->from->doc_hidden = r->from->revision;
	if (r->victim)
		node_unhash(fs, r->victim);
	node_becomes(fs, r->node, NODE_FILE, r->new_name, ino);
	fs_unlock(fs);
	return 0;
}

static int rename_found(struct renaming *r, unsigned flags)
{
	struct fs *fs = r->fs;
	if (r->victim && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (r->node->kind == NODE_DOC)
		return rename_doc_away(r);
	if (r->victim && r->victim->kind == NODE_DOC)
		return rename_over_doc(r);
	if (!strcmp(r->new_name, ENTRY_DOC)) /* it is hidden now */
		return rename_over_doc(r);
	int rc = file_number_free(fs, r->to, r->new_name, r->across ? "" : r->name);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	rc = reserve(r);
	fs_unlock(fs);
	if (rc < 0)
		return rc;
	rc = rename_reserved(r);
	fs_lock(fs);
	unreserve(r);
	fs_unlock(fs);
	return rc;
}

static int rename_file(struct fs *fs, struct thread *from, const char *name, struct thread *to,
	const char *new_name, unsigned flags)
{
	struct renaming r = {.fs = fs,
		.from = from,
		.to = to,
		.name = name,
		.new_name = new_name,
		.across = from != to};
	int rc = name_file_check(new_name);
	if (!rc)
		rc = entry_find(fs, from, name, &r.node);
	if (rc < 0)
		return rc;
	rc = entry_find(fs, to, new_name, &r.victim);
	if (!rc || rc == -ENOENT)
		rc = r.node == r.victim ? 0 : rename_found(&r, flags);
	fs_lock(fs);
	node_unpin(fs, r.node);
	node_unpin(fs, r.victim);
	fs_unlock(fs);
	return rc;
}

static int rename_thread(struct fs *fs, const char *name, const char *to, unsigned flags)
{
	struct node *node = NULL, *victim = NULL;
	if (control_named(name) || control_named(to))
		return -EPERM;
	int rc = name_thread_check(to);
	if (!rc)
		rc = entry_find_thread(fs, name, &node);
	if (rc < 0)
		return rc;
	rc = entry_find_thread(fs, to, &victim);
	if (rc == -ENOENT)
		rc = 0;
	struct thread_info info, replaced = {0};
	int64_t now = fs_now_ns(fs);
	if (!rc && victim && entry_has_drafts(fs, (struct thread *)victim))
		rc = flags & RENAME_NOREPLACE ? -EEXIST : -ENOTEMPTY;
	if (!rc)
		rc = store_thread_rename(fs->store, thread_ref((struct thread *)node), to,
			!(flags & RENAME_NOREPLACE), now, &info);
	fs_lock(fs);
	if (!rc) {
		if (victim && victim != node) {
			replaced.gen = ((struct thread *)victim)->gen;
			replaced.ttl_ms = ((struct thread *)victim)->ttl_ms;
			replaced.deadline_ms = ((struct thread *)victim)->deadline_ms;
			thread_kill(fs, (struct thread *)victim, false);
		}
		thread_update(fs, (struct thread *)node, &info);
	}
	node_unpin(fs, node);
	node_unpin(fs, victim);
	fs_unlock(fs);
	if (rc < 0)
		return rc;
	fs_root_touch(fs, now);
	if (!replaced.gen && !strcmp(name, to))
		return 0;
	if (replaced.gen)
		ledger_add(fs, LEDGER_DELETED, to, &replaced, "an empty one, replaced by a rename");
	ledger_add(fs, LEDGER_RENAMED, name, &info, to);
	return 0;
}

void entry_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct node *from_dir = node_of(fs, parent), *to_dir = node_of(fs, to_parent);
	struct thread *from_thread, *to_thread;
	int rc = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : 0;
	if (!rc && from_dir->kind == NODE_ROOT && to_dir->kind == NODE_ROOT) {
		fs_reply(req, rename_thread(fs, name, to, flags));
		return;
	}
	if (!rc && (from_dir->kind != NODE_THREAD || to_dir->kind != NODE_THREAD))
		rc = -EPERM;
	if (!rc && (name[0] == '@' || to[0] == '@'))
		rc = -EPERM;
	if (!rc)
		rc = fs_thread_of(fs, parent, &from_thread);
	if (!rc)
		rc = fs_thread_of(fs, to_parent, &to_thread);
	if (!rc)
		rc = rename_file(fs, from_thread, name, to_thread, to, flags);
	fs_reply(req, rc);
}
