/* thread.json, reading: composed from the thread, its own keys and its turns' metadata. */
#include "doc.h"

#include "base/json.h"
#include "base/name.h"
#include "base/text.h"

#include <string.h>

enum { PAGE = 512 };

/* Keys that every thread.json has, null if nobody said anything. */
static const char *const usual_keys[] = {
	"title", "parent_thread_id", "tool_name", "initial_context"};

/* Keys that are computed, or stand for something that is kept elsewhere. */
static const char *const computed_keys[] = {
	"id", "created_at", "updated_at", "expires_at", "ttl_seconds", "turn_count", "turns"};

static bool among(const char *key, const char *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(key, keys[i]))
			return true;
	return false;
}

bool doc_key_reserved(const char *key)
{
	return among(key, computed_keys, sizeof computed_keys / sizeof *computed_keys);
}

bool doc_key_usual(const char *key)
{
	return among(key, usual_keys, sizeof usual_keys / sizeof *usual_keys);
}

int doc_edit_load(struct fs *fs, struct thread *thread, struct doc_edit *edit)
{
	CLEAN_BLOB struct blob *text = NULL;
	uint64_t revision;
	json_begin();
	int rc = store_doc_read(fs->store, thread_ref(thread), &text, &revision);
	if (rc < 0)
		return rc;
	json_t *root = text ? json_parse(blob_data(text), blob_size(text)) : json_object();
	if (root && !json_is_object(root)) {
		json_decref(root);
		root = NULL;
	}
	if (!root)
		return json_ran_out() ? -ENOMEM : -EIO;
	*edit = (struct doc_edit){.root = root, .revision = revision};
	return 0;
}

void doc_edit_done(struct doc_edit *edit)
{
	json_decref(edit->root);
	blob_unref(edit->text);
	*edit = (struct doc_edit){0};
}

/* A member object of the document, made if it is not there. Borrowed. */
static json_t *member(struct doc_edit *edit, const char *name)
{
	json_t *object = json_object_get(edit->root, name);
	if (!json_is_object(object)) {
		object = json_object();
		json_object_set_new(edit->root, name, object);
	}
	return object;
}

json_t *doc_own(struct doc_edit *edit)
{
	return member(edit, "own");
}

json_t *doc_pending(struct doc_edit *edit)
{
	return member(edit, "pending");
}

int doc_edit_into(struct doc_edit *edit, struct thread_change *change)
{
	if (edit->root && json_ran_out())
		return -ENOMEM;
	if (!edit->changed)
		return 0;
	blob_unref(edit->text);
	edit->text = json_text(edit->root, 0);
	if (!edit->text)
		return -ENOMEM;
	change->set |= SET_DOC;
	change->doc.expect = edit->revision;
	change->doc.text = edit->text;
	change->doc.flags = (json_object_size(doc_pending(edit)) ? DOC_PENDING : 0) |
			    (json_object_size(member(edit, "away")) ? DOC_AWAY : 0);
	return 0;
}

static void number_key(uint32_t number, char key[16])
{
	snprintf(key, 16, "%u", number);
}

/* Takes a number's entry out of "away" or "pending": a new reference, or NULL. */
static json_t *take(struct doc_edit *edit, json_t *from, const char *key)
{
	json_t *value = json_incref(json_object_get(from, key));
	if (value) {
		json_object_del(from, key);
		edit->changed = true;
	}
	return value;
}

static bool shows_the_same(const json_t *one, const json_t *other)
{
	CLEAN_BLOB struct blob *a = json_to_shown(one), *b = json_to_shown(other);
	return a && b && blob_equal(a, b);
}

/*
 * What thread.json said of a turn before it came, with what the turn brings: thread.json decides
 * the types of what shows the same, the turn what differs (M1).
 */
static struct blob *merge(json_t *pending, struct blob *own)
{
	json_auto_t *merged = json_copy(pending);
	json_auto_t *meta = own ? json_parse(blob_data(own), blob_size(own)) : NULL;
	const char *key;
	json_t *value;
	json_object_foreach(meta, key, value)
	{
		json_t *said = json_object_get(merged, key);
		if (!said || !shows_the_same(said, value))
			json_object_set(merged, key, value);
	}
	return json_text(merged, 0);
}

/* Its own, whose strings take the types of what `had` shows the same; else what it had. */
static struct blob *inherit(struct blob *own, json_t *had)
{
	if (!own)
		return json_text(had, 0);
	json_auto_t *meta = json_parse(blob_data(own), blob_size(own));
	const char *key;
	json_t *value;
	json_object_foreach(had, key, value)
	{
		json_t *mine = json_object_get(meta, key);
		if (json_is_string(mine) && !json_is_string(value) && shows_the_same(mine, value))
			json_object_set(meta, key, value);
	}
	return json_is_object(meta) ? json_text(meta, 0) : blob_ref(own);
}

struct blob *doc_take(struct doc_edit *edit, uint32_t number, struct blob *own)
{
	char key[16];
	number_key(number, key);
	json_auto_t *away = take(edit, member(edit, "away"), key);
	json_auto_t *pending = take(edit, doc_pending(edit), key);
	json_t *remembered = json_object_get(away, "meta");
	if (json_is_object(pending))
		return merge(pending, own);
	return json_is_object(remembered) ? inherit(own, remembered) : blob_ref(own);
}

struct blob *doc_inherit(struct blob *own, struct blob *other)
{
	if (!own || !other)
		return blob_ref(own ? own : other);
	json_auto_t *had = json_parse(blob_data(other), blob_size(other));
	return json_is_object(had) ? inherit(own, had) : blob_ref(own);
}

void doc_away(struct doc_edit *edit, uint32_t number, uint64_t ino, struct blob *meta)
{
	char key[16];
	number_key(number, key);
	json_t *value = meta ? json_parse(blob_data(meta), blob_size(meta)) : NULL;
	if (!json_is_object(value)) {
		json_decref(value);
		return;
	}
	json_object_set_new(member(edit, "away"), key,
		json_pack("{sI so}", "ino", (json_int_t)ino, "meta", value));
	edit->changed = true;
}

void doc_away_forget(struct doc_edit *edit, uint64_t ino)
{
	const char *key;
	json_t *value;
	void *next;
	json_t *away = member(edit, "away");
	json_object_foreach_safe(away, next, key, value)
	{
		if (json_integer_value(json_object_get(value, "ino")) != (json_int_t)ino)
			continue;
		json_object_del(away, key);
		edit->changed = true;
	}
}

static json_t *time_json(int64_t ns)
{
	char text[TEXT_TIME_MAX];
	text_time_ns(ns, text);
	return json_string(text);
}

/* Seconds, whole where they are whole. */
static json_t *ttl_json(int64_t ttl_ms)
{
	if (ttl_ms == STORE_TTL_NEVER)
		return json_null();
	return ttl_ms % 1000 ? json_real((double)ttl_ms / 1000) : json_integer(ttl_ms / 1000);
}

static json_t *deadline_json(int64_t deadline_ms)
{
	return deadline_ms == STORE_DEADLINE_NEVER ? json_null() : time_json(deadline_ms * 1000000);
}

/* The turns' metadata, by name, into `turns`. */
static int turns_into(struct fs *fs, struct thread *thread, json_t *turns)
{
	char after[STORE_NAME_MAX + 1] = "";
	for (bool more = true; more;) {
		struct file_page page;
		int rc = store_file_list(fs->store, thread_ref(thread), after, PAGE, false, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count; i++) {
			const struct file_info *info = &page.items[i];
			if (!name_turn_parse(info->name, NULL, NULL))
				continue;
			json_t *meta = info->meta ? json_parse(blob_data(info->meta),
							    blob_size(info->meta))
						  : NULL;
			json_object_set_new(turns, info->name, meta ? meta : json_object());
		}
		more = page.more && page.count;
		if (page.count)
			snprintf(after, sizeof after, "%s", page.items[page.count - 1].name);
		file_page_done(&page);
	}
	return 0;
}

/* What is said of turns that are not there yet reads back under their number. */
static void pending_into(struct doc_edit *edit, json_t *turns)
{
	const char *key;
	json_t *value;
	json_object_foreach(doc_pending(edit), key, value)
	{
		char number[16];
		snprintf(number, sizeof number, "%06lu", strtoul(key, NULL, 10));
		json_object_set(turns, number, value);
	}
}

static void own_into(struct doc_edit *edit, json_t *doc)
{
	json_t *own = doc_own(edit);
	const char *key;
	json_t *value;
	for (size_t i = 0; i < sizeof usual_keys / sizeof *usual_keys; i++) {
		value = json_object_get(own, usual_keys[i]);
		json_object_set(doc, usual_keys[i], value ? value : json_null());
	}
	json_object_foreach(own, key, value) if (!doc_key_usual(key) && !doc_key_reserved(key))
		json_object_set(doc, key, value);
}

static int compose(
	struct fs *fs, struct thread *thread, struct thread_info *info, struct blob **ret)
{
	struct doc_edit edit;
	int rc = store_thread_stat(fs->store, thread_ref(thread), info);
	if (!rc)
		rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	json_auto_t *doc = json_object();
	json_object_set_new(doc, "id", json_from_bytes(info->id, strlen(info->id)));
	json_object_set_new(doc, "created_at", time_json(info->created_ns));
	json_object_set_new(doc, "updated_at", time_json(info->mtime_ns));
	json_object_set_new(doc, "expires_at", deadline_json(info->deadline_ms));
	json_object_set_new(doc, "ttl_seconds", ttl_json(info->ttl_ms));
	own_into(&edit, doc);
	json_object_set_new(doc, "turn_count", json_integer(info->turns));
	json_t *turns = json_object();
	json_object_set_new(doc, "turns", turns);
	rc = turns_into(fs, thread, turns);
	if (!rc) {
		pending_into(&edit, turns);
		struct blob *text = json_text(doc, JSON_TEXT_INDENT);
		if (text)
			*ret = text;
		else
			rc = -ENOMEM;
	}
	doc_edit_done(&edit);
	return rc;
}

int doc_text(struct fs *fs, struct thread *thread, struct blob **ret)
{
	struct thread_info info;
	return compose(fs, thread, &info, ret);
}

int doc_size(struct fs *fs, struct thread *thread, struct thread_info *ret, uint64_t *ret_size)
{
	struct thread_info info;
	int rc = store_thread_stat(fs->store, thread_ref(thread), &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	bool have = thread->doc_size.revision == info.revision;
	uint64_t size = thread->doc_size.size;
	fs_unlock(fs);
	if (!have) {
		CLEAN_BLOB struct blob *text = NULL;
		rc = compose(fs, thread, &info, &text);
		if (rc < 0)
			return rc;
		size = blob_size(text);
		fs_lock(fs);
		thread->doc_size.revision = info.revision;
		thread->doc_size.size = size;
		fs_unlock(fs);
	}
	*ret = info;
	*ret_size = size;
	return 0;
}
