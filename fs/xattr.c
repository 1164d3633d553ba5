/* Extended attributes, reading. A key of the metadata is the attribute user.<key>. */
#include "xattr.h"

#include "attr.h"
#include "doc.h"
#include "meta.h"

#include "base/json.h"
#include "base/name.h"
#include "base/text.h"

#include <string.h>

enum {
	KEY_MAX = 250,
	VALUE_MAX = 65536,
	LIST_MAX = 65536,
};

/* user.turnfs.turn of a turn, or of the descriptor of a stream: the turn's file name. */
static int own_turn(struct fs *fs, struct node *node, char *ret, size_t size)
{
	fs_lock(fs);
	const char *name = node->kind == NODE_STREAM				  ? node->turn
			   : node->kind == NODE_FILE || node->kind == NODE_BACKUP ? node->name
										  : NULL;
	bool turn = name && name_turn_parse(name, NULL, NULL);
	if (turn)
		snprintf(ret, size, "%s", name);
	fs_unlock(fs);
	return turn ? 0 : -ENODATA;
}

/* user.turnfs.*: what the mount computes. */
static int own_value(struct fs *fs, struct node *node, const char *key, struct blob **ret)
{
	char text[STORE_NAME_MAX + 1];
	struct thread *thread = node_thread(node);
	int rc = thread ? 0 : -ENODATA;
	fs_lock(fs);
	int64_t ttl_ms = thread ? thread->ttl_ms : 0;
	int64_t deadline_ms = thread ? thread->deadline_ms : 0;
	fs_unlock(fs);
	if (!rc && !strcmp(key, "turn"))
		rc = own_turn(fs, node, text, sizeof text);
	else if (!rc && !strcmp(key, "ttl"))
		text_span_format(ttl_ms, text);
	else if (!rc && !strcmp(key, "expires") && deadline_ms != STORE_DEADLINE_NEVER)
		text_time_ns(deadline_ms * 1000000, text);
	else if (!rc && !strcmp(key, "expires"))
		snprintf(text, sizeof text, "never");
	else
		rc = -ENODATA;
	if (rc < 0)
		return rc;
	*ret = blob_new(text, strlen(text));
	return *ret ? 0 : -ENOMEM;
}

static int value_of(struct fs *fs, struct node *node, const char *name, struct blob **ret)
{
	const char *key = meta_key(name);
	if (!key)
		return -EOPNOTSUPP;
	if (meta_key_own(key))
		return own_value(fs, node, key + strlen(META_OWN), ret);
	json_auto_t *meta = NULL;
	int rc = meta_load(fs, node, &meta);
	if (rc < 0)
		return rc == -EOPNOTSUPP ? -ENODATA : rc;
	json_t *value = json_object_get(meta, key);
	if (!value)
		return -ENODATA;
	*ret = json_to_shown(value);
	if (!*ret)
		return -ENOMEM;
	if ((*ret)->size <= VALUE_MAX)
		return 0;
	blob_unref(*ret);
	*ret = NULL;
	return -ENODATA; /* in thread.json only */
}

static void reply_sized(fuse_req_t req, const struct blob *text, size_t size)
{
	if (!size)
		fuse_reply_xattr(req, blob_size(text));
	else if (blob_size(text) > size)
		fs_reply(req, -ERANGE);
	else
		fuse_reply_buf(req, blob_data(text), blob_size(text));
}

void xattr_get(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	struct fs *fs = fs_of(req);
	CLEAN_BLOB struct blob *value = NULL;
	int rc = value_of(fs, node_of(fs, id), name, &value);
	if (rc < 0)
		fs_reply(req, rc);
	else
		reply_sized(req, value, size);
}

/* Whether a value fits an attribute; what does not is in thread.json only. */
static bool shows(const json_t *value)
{
	if (json_is_string(value))
		return json_string_length(value) <= VALUE_MAX;
	CLEAN_BLOB struct blob *shown = json_to_shown(value);
	return shown && shown->size <= VALUE_MAX;
}

static int names_of(struct fs *fs, struct node *node, struct blob **ret)
{
	json_auto_t *meta = NULL;
	int rc = meta_load(fs, node, &meta);
	if (rc == -EOPNOTSUPP)
		return 0;
	const char *key;
	json_t *value;
	json_object_foreach(meta, key, value)
	{
		size_t length = strlen(key);
		size_t have = blob_size(*ret);
		if (!length || length > KEY_MAX || meta_key_own(key) || !shows(value) ||
			have + length + sizeof "user." > LIST_MAX)
			continue;
		rc = blob_write(ret, have, "user.", 5);
		if (!rc)
			rc = blob_write(ret, have + 5, key, length + 1);
		if (rc < 0)
			return rc;
	}
	return !rc && json_ran_out() ? -ENOMEM : rc;
}

void xattr_list(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct fs *fs = fs_of(req);
	CLEAN_BLOB struct blob *names = NULL;
	int rc = names_of(fs, node_of(fs, id), &names);
	if (rc < 0)
		fs_reply(req, rc);
	else
		reply_sized(req, names, size);
}
