/* Metadata of turns, attachments and threads. */
#include "meta.h"

#include "backup.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "lineage.h"
#include "notify.h"

#include "base/json.h"
#include "base/name.h"

#include <string.h>
#include <sys/xattr.h>

enum { RETRIES = 32 };

const char *meta_key(const char *name)
{
	return strncmp(name, "user.", 5) ? NULL : name + 5;
}

bool meta_key_own(const char *key)
{
	return !strncmp(key, META_OWN, strlen(META_OWN));
}

static int meta_parse(const struct blob *text, json_t **ret)
{
	json_begin();
	json_t *meta = text ? json_parse(blob_data(text), blob_size(text)) : json_object();
	if (!json_is_object(meta)) {
		json_decref(meta);
		return json_ran_out() ? -ENOMEM : -EIO;
	}
	*ret = meta;
	return 0;
}

/* A file's metadata: from the open file, else from the store; with the name and revision it has. */
static int file_meta(struct fs *fs, struct node *node, char name[STORE_NAME_MAX + 1],
	uint64_t *ret_revision, struct blob **ret)
{
	fs_lock(fs);
	snprintf(name, STORE_NAME_MAX + 1, "%s", node->name);
	struct thread_ref ref = thread_ref(node->thread);
	const struct file *file = node->file;
	bool draft = file && (file->draft || file->unlinked);
	if (draft)
		*ret = blob_ref(file->info.meta);
	fs_unlock(fs);
	*ret_revision = STORE_REVISION_NONE;
	if (draft)
		return 0;
	struct file_info info;
	int rc = store_file_stat(fs->store, ref, name, &info);
	if (rc < 0)
		return rc;
	*ret = blob_ref(info.meta);
	*ret_revision = info.revision;
	file_info_done(&info);
	return 0;
}

int meta_load(struct fs *fs, struct node *node, json_t **ret)
{
	if (backup_has(node))
		return backup_meta(fs, node, ret);
	if (node->kind == NODE_THREAD) {
		struct doc_edit edit;
		int rc = doc_edit_load(fs, (struct thread *)node, &edit);
		if (rc < 0)
			return rc;
		*ret = json_incref(doc_own(&edit));
		doc_edit_done(&edit);
		return 0;
	}
	if (node->kind != NODE_FILE)
		return -EOPNOTSUPP;
	char name[STORE_NAME_MAX + 1];
	uint64_t revision;
	CLEAN_BLOB struct blob *text = NULL;
	int rc = file_meta(fs, node, name, &revision, &text);
	return rc < 0 ? rc : meta_parse(text, ret);
}

/* Whether a value shows as this text; for other than strings, however the JSON is spaced. */
static bool shows_already(const json_t *had, const struct blob *text)
{
	CLEAN_BLOB struct blob *shown = json_to_shown(had);
	if (shown && blob_equal(shown, text))
		return true;
	json_auto_t *value =
		json_is_string(had) ? NULL : json_parse(blob_data(text), blob_size(text));
	return value && json_equal(value, had);
}

/* Sets or removes the key in `meta`. 1: it changed; 0: it was so already; or -errno. */
static int object_set(json_t *meta, const char *key, struct blob *value, int flags)
{
	json_t *had = json_object_get(meta, key);
	if (!had && (!value || (flags & XATTR_REPLACE)))
		return -ENODATA;
	if (had && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!value) {
		json_object_del(meta, key);
		return 1;
	}
	if (had && shows_already(had, value))
		return 0;
	json_t *now = json_from_bytes(blob_data(value), blob_size(value));
	if (!now || json_object_set_new(meta, key, now) < 0)
		return -ENOMEM;
	return 1;
}

/* A change of metadata moves ctimes and thread.json, and renews; the thread's mtime stays. */
static struct thread_change change_now(struct fs *fs)
{
	int64_t now = fs_now_ns(fs);
	return (struct thread_change){.set = SET_DOC_MTIME, .time_ns = now, .doc.mtime_ns = now};
}

/* The same of a file; N3's scratch files move and renew nothing. */
static struct thread_change file_change_now(struct fs *fs, const char *name, unsigned *ret_flags)
{
	if (!name_is_scratch(name)) {
		*ret_flags = STORE_RENEW;
		return change_now(fs);
	}
	*ret_flags = 0;
	return (struct thread_change){.time_ns = fs_now_ns(fs)};
}

static int thread_set_once(struct fs *fs, struct thread *thread, const char *key,
	struct blob *value, int flags, struct thread_info *info)
{
	struct doc_edit edit;
	struct thread_change change = change_now(fs);
	int rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	struct doc_step step;
	doc_step_begin(fs, thread, &edit, &step);
	rc = object_set(doc_own(&edit), key, value, flags);
	edit.changed = rc > 0;
	if (rc > 0)
		rc = doc_edit_into(&edit, &change);
	if (rc >= 0 && edit.changed)
		rc = store_apply(
			fs->store, thread_ref(thread), &change, NULL, 0, STORE_RENEW, info);
	bool done = !rc && edit.changed;
	doc_step_end(fs, thread, &edit, &step, done ? 0 : -ECANCELED);
	doc_edit_done(&edit);
	return rc < 0 ? rc : done;
}

static int thread_set(
	struct fs *fs, struct thread *thread, const char *key, struct blob *value, int flags)
{
	if (doc_key_reserved(key))
		return -EPERM;
	struct thread_info info;
	int rc = -ESTALE;
	for (int i = 0; i < RETRIES && rc == -ESTALE; i++)
		rc = thread_set_once(fs, thread, key, value, flags, &info);
	if (rc <= 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, thread, &info);
	fs_unlock(fs);
	return 0;
}

/* One attempt at a file that is reserved for us. 1: changed, *ret_meta is what it has now. */
static int file_set_once(struct fs *fs, struct node *node, const char *key, struct blob *value,
	int flags, struct thread_info *info, uint64_t *ret_revision, struct blob **ret_meta)
{
	char name[STORE_NAME_MAX + 1];
	CLEAN_BLOB struct blob *text = NULL;
	json_auto_t *meta = NULL;
	uint64_t revision;
	int rc = file_meta(fs, node, name, &revision, &text);
	if (!rc)
		rc = meta_parse(text, &meta);
	if (!rc)
		rc = object_set(meta, key, value, flags);
	if (rc <= 0)
		return rc;
	CLEAN_BLOB struct blob *now = json_object_size(meta) ? json_text(meta, 0) : NULL;
	if (!now && json_object_size(meta))
		return -ENOMEM;
	if (revision != STORE_REVISION_NONE) {
		struct change change = {.kind = CHANGE_PUT,
			.name = name,
			.expect = revision,
			.set = SET_META,
			.meta = now};
		unsigned renew;
		struct thread_change thread = file_change_now(fs, name, &renew);
		rc = store_apply(
			fs->store, thread_ref(node->thread), &thread, &change, 1, renew, info);
		if (rc < 0)
			return rc;
		*ret_revision = change.ret_revision;
	}
	*ret_meta = blob_ref(now);
	return 1;
}

static int file_set(
	struct fs *fs, struct node *node, const char *key, struct blob *value, int flags)
{
	fs_lock(fs);
	struct file *file = file_get(fs, node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	bool stale = file->stale;
	fs_unlock(fs);
	struct thread_info info;
	uint64_t revision = STORE_REVISION_NONE;
	CLEAN_BLOB struct blob *meta = NULL;
	int rc = -ESTALE;
	for (int i = 0; i < RETRIES && rc == -ESTALE && !stale; i++)
		rc = file_set_once(fs, node, key, value, flags, &info, &revision, &meta);
	fs_lock(fs);
	if (rc > 0) {
		if (file->known) {
			blob_unref(file->info.meta);
			file->info.meta = blob_ref(meta);
		}
		if (revision != STORE_REVISION_NONE) {
			lineage_adopt(fs, file, revision);
			file->info.ctime_ns = info.ctime_ns;
			thread_update(fs, node->thread, &info);
		}
	}
	file_idle(fs, file);
	fs_unlock(fs);
	return rc < 0 ? rc : 0;
}

int meta_change(struct fs *fs, struct node *node, const char *key, struct blob *value, int flags)
{
	struct thread *thread = node_thread(node);
	if (node->kind != NODE_FILE && node->kind != NODE_THREAD)
		return -EOPNOTSUPP;
	if (!thread_alive(fs, thread))
		return -ENOENT;
	if (node->kind == NODE_THREAD)
		return thread_set(fs, thread, key, value, flags);
	int rc = file_set(fs, node, key, value, flags);
	notify_inode(fs, &thread->node, false);
	return rc;
}

int meta_set_ttl(struct fs *fs, struct thread *thread, int64_t ttl_ms)
{
	struct thread_change change = change_now(fs);
	change.set |= SET_TTL;
	change.ttl_ms = ttl_ms;
	struct thread_info info;
	int rc = thread_alive(fs, thread) ? 0 : -ENOENT;
	if (!rc)
		rc = store_apply(fs->store, thread_ref(thread), &change, NULL, 0,
			STORE_RENEW | STORE_DURABLE, &info);
	if (rc < 0)
		return rc;
	expiry_changed(fs, thread, &info);
	return 0;
}
