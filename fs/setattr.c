/* SETATTR: chmod, chown, utimens and truncate of any node. */
#include "attr.h"

#include "file.h"
#include "handle.h"
#include "interrupt.h"
#include "notify.h"
#include "work.h"

#include <stdlib.h>
#include <utlist.h>

struct setattr {
	struct work work;
	fuse_req_t req;
	struct node *node;
	struct handle *handle; /* NULL: by name */
	struct stat attr;
	int to_set;
};

/* What SETATTR asks for, in the store's terms. */
static int64_t asked_mtime(struct fs *fs, const struct stat *attr, int to_set)
{
	enum { NS = 1000000000 };
	const int64_t most_s = INT64_MAX / NS - 1;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		return fs_now_ns(fs);
	/* Beyond the years 1678 to 2262 it is the last moment there is, as in other filesystems. */
	int64_t s = attr->st_mtim.tv_sec;
	if (s > most_s || s < -most_s)
		return (s > 0 ? most_s : -most_s) * NS;
	return s * NS + attr->st_mtim.tv_nsec;
}

struct asked {
	unsigned set; /* SET_MODE, SET_OWNER, SET_MTIME */
	uint32_t mode, uid, gid;
	int64_t mtime_ns;
};

/* Only one of uid and gid may be asked for: the other comes from `st`, what it is now. */
static void asked_from(struct fs *fs, const struct stat *attr, int to_set, const struct stat *st,
	struct asked *ret)
{
	*ret = (struct asked){.uid = st->st_uid, .gid = st->st_gid};
	if (to_set & FUSE_SET_ATTR_MODE) {
		ret->set |= SET_MODE;
		ret->mode = attr->st_mode & 07777;
	}
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		ret->set |= SET_OWNER;
		if (to_set & FUSE_SET_ATTR_UID)
			ret->uid = attr->st_uid;
		if (to_set & FUSE_SET_ATTR_GID)
			ret->gid = attr->st_gid;
	}
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) {
		ret->set |= SET_MTIME;
		ret->mtime_ns = asked_mtime(fs, attr, to_set);
	}
}

static int set_root(struct fs *fs, const struct asked *asked)
{
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct root_info root = fs->root_info;
	if (asked->set & SET_MODE)
		root.mode = asked->mode;
	if (asked->set & SET_OWNER) {
		root.uid = asked->uid;
		root.gid = asked->gid;
	}
	if (asked->set & SET_MTIME)
		root.mtime_ns = asked->mtime_ns;
	root.ctime_ns = now;
	fs_unlock(fs);
	int rc = store_root_set(fs->store, &root);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	fs->root_info = root;
	fs_unlock(fs);
	return 0;
}

/*
 * Programs that copy set the time before they close, which is when thread.json is written: it is
 * kept for that. fs->lock held.
 */
static void doc_timed(struct fs *fs, const struct thread *thread, int64_t mtime_ns)
{
	struct handle *handle;
	DL_FOREACH(fs->handles, handle)
	{
		if (handle->kind == NODE_DOC && handle->node->thread == thread && handle->wrote) {
			handle->timed = true;
			handle->mtime_ns = mtime_ns;
		}
	}
}

/* T4: utimens of a thread renews it; so does every other change that is committed (T3). */
static int set_thread(struct fs *fs, struct thread *thread, const struct asked *asked, bool doc)
{
	struct thread_change change = {
		.set = doc ? (asked->set & SET_MODE ? SET_DOC_MODE : 0) |
				       (asked->set & SET_OWNER ? SET_DOC_OWNER : 0) |
				       (asked->set & SET_MTIME ? SET_DOC_MTIME : 0)
			   : asked->set,
		.time_ns = fs_now_ns(fs),
		.mode = asked->mode,
		.uid = asked->uid,
		.gid = asked->gid,
		.mtime_ns = asked->mtime_ns,
		.doc = {.mode = asked->mode,
			.uid = asked->uid,
			.gid = asked->gid,
			.mtime_ns = asked->mtime_ns},
	};
	struct thread_info info;
	int rc = store_apply(fs->store, thread_ref(thread), &change, NULL, 0, STORE_RENEW, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, thread, &info);
	if (asked->set & SET_MTIME && doc)
		doc_timed(fs, thread, asked->mtime_ns);
	else if (asked->set & SET_MTIME)
		thread->mtime_set_ns = change.time_ns;
	fs_unlock(fs);
	return 0;
}

static int set_asked(struct fs *fs, struct node *node, const struct asked *asked)
{
	switch (node->kind) {
	case NODE_ROOT:
		return set_root(fs, asked);
	case NODE_THREAD:
		if (!thread_alive(fs, (struct thread *)node))
			return -ENOENT;
		return set_thread(fs, (struct thread *)node, asked, false);
	case NODE_DOC:
		return set_thread(fs, node->thread, asked, true);
	case NODE_FILE:
		return file_set_attr(
			fs, node, asked->set, asked->mode, asked->uid, asked->gid, asked->mtime_ns);
	case NODE_STREAM:
	case NODE_TRANSCRIPT: /* they have the thread's; touch or chmod of one does no harm */
		return 0;
	default:
		return -EPERM;
	}
}

static int set_all(struct fs *fs, const struct setattr *set, struct stat *ret)
{
	struct node *node = set->node;
	int rc = set->handle ? 0 : attr_reachable(fs, node);
	if (rc < 0)
		return rc;
	rc = attr_get(fs, node, ret);
	if (rc < 0)
		return rc;
	if (set->to_set & FUSE_SET_ATTR_SIZE) {
		rc = handle_truncate(fs, node, set->handle, set->attr.st_size);
		if (rc < 0)
			return rc;
	}
	struct asked asked;
	asked_from(fs, &set->attr, set->to_set, ret, &asked);
	if (asked.set) {
		rc = set_asked(fs, node, &asked);
		if (rc < 0)
			return rc;
	}
	return attr_get(fs, node, ret);
}

static void setattr_run(struct fs *fs, struct work *work)
{
	struct setattr *set = (struct setattr *)work;
	struct node *node = set->node;
	struct stat st;
	interrupt_begin(set->req);
	int rc = set_all(fs, set, &st);
	if (rc < 0) {
		fs_reply(set->req, rc);
	} else {
		if (node->thread)
			notify_inode(fs, &node->thread->node, false);
		fuse_reply_attr(set->req, &st, attr_timeout_of(fs, node));
	}
	interrupt_end();
	free(set);
}

void setattr_handler(
	fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct setattr *set = malloc(sizeof *set);
	if (!set) {
		fs_reply(req, -ENOMEM);
		return;
	}
	*set = (struct setattr){
		.work.run = setattr_run,
		.req = req,
		.node = node_of(fs, id),
		.handle = fi ? (struct handle *)(uintptr_t)fi->fh : NULL,
		.attr = *attr,
		.to_set = to_set,
	};
	work_submit(fs, &set->work);
}
