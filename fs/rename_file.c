/* A file gets another name, within its thread or in another one, in one step (W11, M6). */
#include "renaming.h"

#include "doc.h"
#include "entry.h"
#include "file.h"
#include "lineage.h"

#include "base/name.h"

#include <stdlib.h>
#include <string.h>

enum { DOC_RETRIES = 32 };

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
	CLEAN_BLOB struct blob *meta =
		edit->root ? doc_take(edit, number, own.meta) : blob_ref(own.meta);
	if (r->victim)
		(void)store_file_stat(r->fs->store, thread_ref(r->to), r->new_name, &victim);
	*ret = doc_inherit(meta, victim.meta);
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

/* The documents of both threads, opened for what the rename changes in them. */
struct edits {
	struct doc_edit from, to; /* within one thread only `to` */
};

static int edits_load(struct renaming *r, struct edits *edits)
{
	int rc = doc_concerned(r) ? doc_edit_load(r->fs, r->to, &edits->to) : 0;
	if (!rc && r->across && (r->from->doc_flags & DOC_AWAY))
		rc = doc_edit_load(r->fs, r->from, &edits->from);
	return rc;
}

/* What was remembered of a file as a turn goes with it: replaced, gone elsewhere, a turn again. */
static int edits_make(struct renaming *r, struct edits *edits)
{
	if (edits->from.root)
		doc_away_forget(&edits->from, r->node->ino);
	if (!edits->to.root)
		return 0;
	if (r->victim)
		doc_away_forget(&edits->to, r->victim->ino);
	if (!r->across && name_turn_parse(r->new_name, NULL, NULL))
		doc_away_forget(&edits->to, r->node->ino);
	return remember_turn(r, &edits->to);
}

static void edits_done(struct edits *edits)
{
	doc_edit_done(&edits->from);
	doc_edit_done(&edits->to);
}

/* What came of it in the store. */
struct renamed {
	struct thread_info from, to;
	uint64_t revision, ino;
	struct blob *meta; /* the metadata it has now, if the new name changed it */
};

static int rename_apply(struct renaming *r, struct edits *edits, struct renamed *ret)
{
	struct fs *fs = r->fs;
	bool scratch = name_is_scratch(r->name) && name_is_scratch(r->new_name);
	unsigned flags = scratch ? 0 : STORE_RENEW | fs_durable(fs);
	int64_t now = fs_now_ns(fs);
	struct thread_change to = {.time_ns = now, .mtime_ns = now, .doc.mtime_ns = now};
	if (!scratch)
		to.set = SET_MTIME | SET_DOC_MTIME;
	struct thread_change from = to;
	struct change change = {.kind = CHANGE_RENAME,
		.name = r->name,
		.expect = STORE_REVISION_ANY,
		.to = r->new_name,
		.ino = r->node->ino,
		.to_expect = r->victim ? STORE_REVISION_ANY : STORE_REVISION_NONE};
	blob_unref(ret->meta);
	ret->meta = NULL;
	int rc = lineage_expect(fs, thread_ref(r->from), r->name, &change.expect);
	if (!rc)
		rc = edits_make(r, edits);
	if (!rc)
		rc = meta_of_new_name(r, &edits->to, &change, &ret->meta);
	if (!rc)
		rc = doc_edit_into(&edits->to, &to);
	if (!rc)
		rc = doc_edit_into(&edits->from, &from);
	if (!rc && r->across)
		rc = store_move(fs->store, thread_ref(r->from), thread_ref(r->to), &change, &from,
			&to, flags, &ret->from, &ret->to);
	else if (!rc)
		rc = store_apply(fs->store, thread_ref(r->from), &to, &change, 1, flags, &ret->to);
	ret->revision = change.ret_revision;
	ret->ino = change.ino;
	return rc;
}

static int rename_once(struct renaming *r, struct renamed *ret)
{
	struct edits edits = {0};
	uint32_t number;
	int rc = edits_load(r, &edits);
	if (!rc)
		rc = rename_apply(r, &edits, ret);
	if (!rc && !edits.to.changed && (ret->to.doc.flags & DOC_PENDING) &&
		name_turn_parse(r->new_name, &number, NULL))
		r->settle = number; /* thread.json may have spoken of it meanwhile */
	edits_done(&edits);
	return rc;
}

/* The file and its thread follow. fs->lock held; takes over `copy`. */
static void rename_follow(struct renaming *r, const struct renamed *done, char *copy)
{
	struct file *file = r->node->file;
	victim_gone(r);
	node_renumber(r->fs, r->node, done->ino);
	lineage_adopt(r->fs, file, done->revision);
	file->info.ctime_ns = done->to.ctime_ns;
	if (done->meta && file->known) {
		blob_unref(file->info.meta);
		file->info.meta = blob_ref(done->meta);
	}
	file_moved(r->fs, r->node, r->to, copy);
	if (r->across)
		thread_update(r->fs, r->from, &done->from);
	thread_update(r->fs, r->to, &done->to);
}

static int rename_stored(struct renaming *r)
{
	struct fs *fs = r->fs;
	struct renamed done = {0};
	char *copy = strdup(r->new_name);
	if (!copy)
		return -ENOMEM;
	int rc = -ESTALE;
	for (int i = 0; i < DOC_RETRIES && rc == -ESTALE; i++)
		rc = rename_once(r, &done);
	fs_commit_ended(fs, rc);
	if (rc < 0) {
		free(copy);
	} else {
		fs_lock(fs);
		rename_follow(r, &done, copy);
		fs_unlock(fs);
		if (r->settle)
			doc_settle(fs, r->to, r->settle);
	}
	blob_unref(done.meta);
	return rc;
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

/* W5: a claim is of a name, and ends when the file that was to have it has another one or is gone.
 */
static void claim_end(
	struct renaming *r, struct node *node, struct thread *thread, const char *name)
{
	fs_lock(r->fs);
	bool claimed = node && node->file->claimed;
	if (claimed)
		node->file->claimed = false;
	fs_unlock(r->fs);
	if (claimed)
		store_unclaim(r->fs->store, thread_ref(thread), name);
}

int rename_file(struct renaming *r)
{
	struct fs *fs = r->fs;
	int rc = file_number_free(fs, r->to, r->new_name, r->across ? "" : r->name);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	rc = reserve(r);
	fs_unlock(fs);
	if (rc < 0)
		return rc;
	rc = rename_reserved(r);
	if (!rc) {
		claim_end(r, r->node, r->from, r->name);
		claim_end(r, r->victim, r->to, r->new_name);
	}
	fs_lock(fs);
	unreserve(r);
	fs_unlock(fs);
	return rc;
}
