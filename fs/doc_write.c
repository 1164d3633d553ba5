/* thread.json, writing: a whole new text becomes own keys, turns' metadata, ttl and time (M3). */
#include "doc.h"

#include "conflict.h"
#include "entry.h"
#include "expiry.h"
#include "file.h"
#include "lineage.h"
#include "notify.h"

#include "base/json.h"
#include "base/name.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { RETRIES = 32 };

/* A text being taken apart, and what it comes to. */
struct writing {
	struct fs *fs;
	struct thread *thread;
	json_t *doc;
	struct doc_edit edit;
	struct thread_change thread_change;
	bool ttl_set;
	struct change *changes;
	char (*names)[STORE_NAME_MAX + 1];
	uint64_t *inos;
	size_t count;
};

static void writing_done(struct writing *w)
{
	for (size_t i = 0; i < w->count; i++)
		blob_unref(w->changes[i].meta);
	free(w->changes);
	free(w->names);
	free(w->inos);
	doc_edit_done(&w->edit);
}

/* The number a key under "turns" names: a turn's file name, or its digits. 0: neither. */
static uint32_t turn_number(const char *key)
{
	uint32_t number;
	if (name_turn_parse(key, &number, NULL))
		return number;
	size_t digits = strspn(key, "0123456789");
	if (!digits || digits > 6 || key[digits])
		return 0;
	return (uint32_t)strtoul(key, NULL, 10);
}

static int take_own(struct writing *w)
{
	const char *key;
	json_t *value;
	json_t *own = json_object();
	json_object_foreach(w->doc, key,
		value) if (!doc_key_reserved(key) && !(doc_key_usual(key) && json_is_null(value)))
		json_object_set(own, key, value);
	bool deep = json_too_deep(own);
	if (!deep && !json_equal(own, doc_own(&w->edit))) {
		json_object_set(w->edit.root, "own", own);
		w->edit.changed = true;
	}
	json_decref(own);
	return deep ? -EBADMSG : 0;
}

static int take_times(struct writing *w)
{
	json_t *created = json_object_get(w->doc, "created_at");
	json_t *ttl = json_object_get(w->doc, "ttl_seconds");
	if (json_is_string(created)) {
		if (text_time_parse(json_string_value(created), &w->thread_change.created_ns) < 0)
			return -EBADMSG;
		w->thread_change.set |= SET_CREATED;
	} else if (created && !json_is_null(created)) {
		return -EBADMSG;
	}
	if (!ttl)
		return 0;
	double seconds = json_number_value(ttl);
	if (!json_is_null(ttl) &&
		!(json_is_number(ttl) && seconds >= 0.001 && seconds <= STORE_TTL_MAX_MS / 1000))
		return -EBADMSG;
	w->thread_change.ttl_ms =
		json_is_null(ttl) ? STORE_TTL_NEVER : (int64_t)(seconds * 1000 + 0.5);
	w->thread_change.set |= SET_TTL;
	return 0;
}

/* One entry of "turns": for a turn that is there, or kept until it comes (or is closed). */
static int take_turn(struct writing *w, uint32_t number, json_t *value)
{
	char key[16];
	snprintf(key, sizeof key, "%u", number);
	CLEAN_BLOB struct blob *meta = NULL;
	bool some = json_is_object(value) && json_object_size(value);
	if (some && !(meta = json_text(value, 0)))
		return -ENOMEM;

	struct file_info info;
	int rc = store_turn_stat(w->fs->store, thread_ref(w->thread), number, &info);
	if (rc == -ENOENT) {
		json_t *pending = doc_pending(&w->edit);
		if (some && !json_equal(value, json_object_get(pending, key))) {
			json_object_set(pending, key, value);
			w->edit.changed = true;
		} else if (!some && json_object_del(pending, key) == 0) {
			w->edit.changed = true;
		}
		return 0;
	}
	if (rc < 0)
		return rc;
	if (!blob_equal(info.meta, meta)) {
		snprintf(w->names[w->count], sizeof w->names[0], "%s", info.name);
		w->inos[w->count] = info.ino;
		w->changes[w->count] = (struct change){
			.kind = CHANGE_PUT,
			.name = w->names[w->count],
			.expect = info.revision,
			.set = SET_META,
			.meta = blob_ref(meta),
		};
		w->count++;
	}
	file_info_done(&info);
	return 0;
}

/* The entries of "turns" under their numbers; of a turn named twice the last one counts. */
static int turns_by_number(json_t *turns, json_t *ret)
{
	const char *key;
	json_t *value;
	json_object_foreach(turns, key, value)
	{
		char number[16];
		snprintf(number, sizeof number, "%u", turn_number(key));
		if (!turn_number(key) || !(json_is_object(value) || json_is_null(value)) ||
			json_too_deep(value))
			return -EBADMSG;
		if (json_object_set(ret, number, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int take_turns(struct writing *w)
{
	json_t *turns = json_object_get(w->doc, "turns");
	if (!turns || json_is_null(turns))
		return 0;
	if (!json_is_object(turns))
		return -EBADMSG;
	json_auto_t *by_number = json_object();
	int rc = turns_by_number(turns, by_number);
	if (rc < 0)
		return rc;
	size_t most = json_object_size(by_number) + 1; /* and the file renamed over it */
	w->changes = calloc(most, sizeof *w->changes);
	w->names = calloc(most, sizeof *w->names);
	w->inos = calloc(most, sizeof *w->inos);
	if (!w->changes || !w->names || !w->inos)
		return -ENOMEM;
	const char *key;
	json_t *value;
	json_object_foreach(by_number, key, value)
	{
		rc = take_turn(w, turn_number(key), value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The file renamed over thread.json gives its mode and owner, and goes. */
static int take_source(struct writing *w, const struct file_info *source)
{
	struct thread_change *t = &w->thread_change;
	t->doc.mode = source->mode;
	t->doc.uid = source->uid;
	t->doc.gid = source->gid;
	t->set |= SET_DOC_MODE | SET_DOC_OWNER;
	if (!source->name[0])
		return 0;
	if (!w->changes) {
		w->changes = calloc(1, sizeof *w->changes);
		if (!w->changes)
			return -ENOMEM;
	}
	w->changes[w->count] = (struct change){
		.kind = CHANGE_REMOVE, .name = source->name, .expect = STORE_REVISION_ANY};
	return 1;
}

/* Open turns whose metadata changed go on with it. fs->lock held. */
static void tell_open_files(struct writing *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct node *node;
		HASH_FIND(hh, w->fs->files, &w->inos[i], sizeof w->inos[i], node);
		if (!node || !node->file)
			continue;
		lineage_adopt(w->fs, node->file, w->changes[i].ret_revision);
		node->file->info.ctime_ns = w->thread_change.time_ns;
		if (!node->file->known)
			continue;
		blob_unref(node->file->info.meta);
		node->file->info.meta = blob_ref(w->changes[i].meta);
	}
}

static int write_once(struct fs *fs, struct thread *thread, json_t *doc,
	const struct file_info *source, const int64_t *mtime_ns, const struct doc_seen *seen,
	bool *ret_overtaken, struct thread_info *info)
{
	int64_t now = fs_now_ns(fs);
	struct writing w = {.fs = fs, .thread = thread, .doc = doc};
	w.thread_change = (struct thread_change){.set = SET_MTIME | SET_DOC_MTIME,
		.time_ns = now,
		.mtime_ns = now,
		.doc.mtime_ns = mtime_ns ? *mtime_ns : now};
	int rc = doc_edit_load(fs, thread, &w.edit);
	if (!rc && (*ret_overtaken = doc_overtaken(fs, thread, &w.edit, seen)))
		rc = -ESTALE;
	struct doc_step step;
	bool begun = !rc;
	if (begun)
		doc_step_begin(fs, thread, &w.edit, &step);
	if (!rc)
		rc = take_own(&w);
	if (!rc)
		rc = take_times(&w);
	if (!rc)
		rc = take_turns(&w);
	size_t extra = 0;
	if (!rc && source) {
		rc = take_source(&w, source);
		extra = rc > 0 ? 1 : 0;
		rc = rc > 0 ? 0 : rc;
	}
	if (!rc)
		rc = doc_edit_into(&w.edit, &w.thread_change);
	unsigned flags = STORE_RENEW | STORE_REVIVE | fs_durable(fs);
	if (!rc)
		rc = store_apply(fs->store, thread_ref(thread), &w.thread_change, w.changes,
			w.count + extra, flags, info);
	if (!rc) {
		fs_lock(fs);
		tell_open_files(&w);
		fs_unlock(fs);
	}
	if (begun)
		doc_step_end(fs, thread, &w.edit, &step, rc);
	writing_done(&w);
	return rc;
}

/* One number's turn: 0 also if it is not there. */
static int settle_one(struct fs *fs, struct thread *thread, uint32_t number)
{
	struct file_info turn;
	struct thread_info info;
	struct doc_edit edit = {0};
	int rc = store_turn_stat(fs->store, thread_ref(thread), number, &turn);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	int64_t now = fs_now_ns(fs);
	struct thread_change change = {.set = SET_DOC_MTIME, .time_ns = now, .doc.mtime_ns = now};
	CLEAN_BLOB struct blob *meta = NULL;
	rc = doc_edit_load(fs, thread, &edit);
	if (!rc)
		meta = doc_take(&edit, number, turn.meta);
	if (!rc)
		rc = doc_edit_into(&edit, &change);
	struct change put = {.kind = CHANGE_PUT,
		.name = turn.name,
		.expect = turn.revision,
		.set = SET_META,
		.meta = meta};
	if (!rc && edit.changed) {
		rc = store_apply(
			fs->store, thread_ref(thread), &change, &put, 1, STORE_RENEW, &info);
		struct writing w = {.fs = fs,
			.thread_change = change,
			.changes = &put,
			.inos = &turn.ino,
			.count = 1};
		fs_lock(fs);
		if (!rc) {
			tell_open_files(&w);
			thread_update(fs, thread, &info);
		}
		fs_unlock(fs);
	}
	doc_edit_done(&edit);
	file_info_done(&turn);
	return rc;
}

int doc_settle(struct fs *fs, struct thread *thread, uint32_t number)
{
	struct doc_edit edit;
	int rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	const char *key;
	json_t *value;
	json_object_foreach(doc_pending(&edit), key, value)
	{
		uint32_t n = (uint32_t)strtoul(key, NULL, 10);
		if (number && n != number)
			continue;
		rc = -ESTALE;
		for (int i = 0; i < RETRIES && rc == -ESTALE; i++)
			rc = settle_one(fs, thread, n);
		if (rc < 0)
			break;
	}
	doc_edit_done(&edit);
	return rc;
}

static void keep_losing(struct fs *fs, struct thread *thread, struct blob *text)
{
	struct thread_info info;
	if (store_thread_stat(fs->store, thread_ref(thread), &info) < 0)
		return;
	struct file_info as = {.mode = info.doc.mode, .uid = info.doc.uid, .gid = info.doc.gid};
	conflict_keep(fs, thread, ENTRY_DOC, &as, text);
}

int doc_write(struct fs *fs, struct thread *thread, struct blob *text,
	const struct file_info *source, const int64_t *mtime_ns, const struct doc_seen *seen)
{
	json_begin();
	json_auto_t *doc = json_parse(blob_data(text), blob_size(text));
	if (!json_is_object(doc))
		return json_ran_out() ? -ENOMEM : -EBADMSG;
	struct thread_info info;
	int rc = -ESTALE;
	bool lost = false;
	for (int i = 0; i < RETRIES && rc == -ESTALE && !lost; i++)
		rc = write_once(fs, thread, doc, source, mtime_ns, seen, &lost, &info);
	if (lost)
		keep_losing(fs, thread, text);
	fs_commit_ended(fs, rc == -EBADMSG ? 0 : rc);
	if (!rc && info.doc.flags & DOC_PENDING)
		rc = doc_settle(fs, thread, 0);
	expiry_refused(fs, thread, rc, ENTRY_DOC);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	bool shorter = info.deadline_ms < thread->deadline_ms;
	thread->shortened = thread->shortened || shorter;
	thread->doc_hidden = 0;
	struct node *node = thread->doc;
	if (node)
		node_pin(node);
	fs_unlock(fs);
	expiry_committed(fs, thread, &info, 0);
	if (shorter)
		expiry_add(fs, info.gen, info.deadline_ms);
	if (node && !source) /* a rename tells the kernel by itself */
		notify_inode(fs, node, false);
	if (!source)
		notify_inode(fs, &thread->node, false);
	fs_lock(fs);
	node_unpin(fs, node);
	fs_unlock(fs);
	return 0;
}
