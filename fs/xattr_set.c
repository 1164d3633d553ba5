/* Extended attributes, writing. */
#include "xattr.h"

#include "interrupt.h"
#include "meta.h"
#include "work.h"

#include "base/text.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

struct setting {
	struct work work;
	fuse_req_t req;
	struct node *node;
	char *key;
	struct blob *value; /* NULL: remove */
	int flags;
};

static void setting_free(struct setting *s)
{
	if (!s)
		return;
	free(s->key);
	blob_unref(s->value);
	free(s);
}

/* T4: the one attribute of ours that can be set, on a thread. */
static int set_own(struct fs *fs, struct setting *s)
{
	int64_t ttl_ms;
	if (strcmp(s->key, META_OWN "ttl") || s->node->kind != NODE_THREAD || !s->value)
		return -EPERM;
	if (s->flags & XATTR_CREATE)
		return -EEXIST;
	if (strlen(blob_data(s->value)) != blob_size(s->value) ||
		text_span_parse(blob_data(s->value), &ttl_ms) < 0 || ttl_ms == 0 ||
		ttl_ms > STORE_TTL_MAX_MS)
		return -EINVAL;
	return meta_set_ttl(fs, (struct thread *)s->node, ttl_ms);
}

static void set_run(struct fs *fs, struct work *work)
{
	struct setting *s = (struct setting *)work;
	interrupt_begin(s->req);
	int rc = meta_key_own(s->key) ? set_own(fs, s)
				      : meta_change(fs, s->node, s->key, s->value, s->flags);
	fs_reply(s->req, rc);
	interrupt_end();
	setting_free(s);
}

static void set_submit(
	fuse_req_t req, fuse_ino_t id, const char *name, struct blob *value, int flags)
{
	struct fs *fs = fs_of(req);
	const char *key = meta_key(name);
	struct setting *s = NULL;
	int rc = 0;
	if (!key)
		rc = -EOPNOTSUPP;
	else if (!*key || !utf8_valid(key, strlen(key)))
		rc = -EINVAL;
	else if (!(s = calloc(1, sizeof *s)) || !(s->key = strdup(key)))
		rc = -ENOMEM;
	if (rc < 0) {
		free(s);
		blob_unref(value);
		fs_reply(req, rc);
		return;
	}
	s->work.run = set_run;
	s->req = req;
	s->node = node_of(fs, id);
	s->value = value;
	s->flags = flags;
	work_submit(fs, &s->work);
}

void xattr_set(
	fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size, int flags)
{
	struct blob *copy = blob_new(value, size);
	if (copy)
		set_submit(req, id, name, copy, flags);
	else
		fs_reply(req, -ENOMEM);
}

void xattr_remove(fuse_req_t req, fuse_ino_t id, const char *name)
{
	set_submit(req, id, name, NULL, 0);
}
