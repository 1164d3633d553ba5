/* LOOKUP and FORGET: from names to nodes. */
#include "entry.h"

#include "attr.h"
#include "backup.h"
#include "caller.h"
#include "control.h"
#include "file.h"
#include "ledger.h"
#include "stream.h"
#include "transcript.h"
#include "version.h"
#include "view.h"

#include "base/name.h"

#include <string.h>

bool entry_doc_hidden(const struct thread *thread)
{
	return thread->doc_hidden && thread->doc_hidden == thread->revision;
}

/* How long the name itself holds: not at all where each lookup is to make a node of its own. */
static double name_timeout(struct fs *fs, struct node *node)
{
	if (backup_has(node))
		return 0;
	switch (node->kind) {
	case NODE_THREAD:
		return attr_timeout(fs, ((struct thread *)node)->deadline_ms);
	case NODE_FILE:
		return attr_timeout(fs, node->thread->deadline_ms);
	case NODE_DOC:
	case NODE_TRANSCRIPT:
		return attr_timeout(fs, node->thread->deadline_ms);
	case NODE_CONTROL_DIR:
	case NODE_VIEW:
		return TIMEOUT_MAX_S;
	default:
		return 0;
	}
}

int entry_fill(struct fs *fs, struct node *node, struct fuse_entry_param *ret)
{
	memset(ret, 0, sizeof *ret);
	int rc = attr_get(fs, node, &ret->attr);
	if (rc < 0)
		return rc;
	ret->ino = node_id(fs, node);
	ret->generation = 1;
	ret->attr_timeout = attr_timeout_of(fs, node);
	ret->entry_timeout = name_timeout(fs, node);
	fs_lock(fs);
	node_known(node);
	fs_unlock(fs);
	return 0;
}

void entry_unreplied(struct fs *fs, struct node *node)
{
	fs_lock(fs);
	node_forget(fs, node, 1);
	fs_unlock(fs);
}

void entry_reply(fuse_req_t req, struct node *node)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param entry;
	int rc = entry_fill(fs, node, &entry);
	if (rc < 0)
		fs_reply(req, rc);
	else if (fuse_reply_entry(req, &entry) == -ENOENT)
		entry_unreplied(fs, node);
	fs_lock(fs);
	node_unpin(fs, node);
	fs_unlock(fs);
}

/* A node for thread.json; one a thread. */
static int find_doc(struct fs *fs, struct thread *thread, struct node **ret)
{
	fs_lock(fs);
	struct node *node = NULL;
	bool hidden = entry_doc_hidden(thread);
	if (!hidden) {
		node = thread->doc;
		if (!node)
			node = node_make(fs, NODE_DOC, thread, ENTRY_DOC, thread->doc_ino);
		if (node) {
			thread->doc = node;
			node_pin(node);
		}
	}
	fs_unlock(fs);
	if (hidden)
		return -ENOENT;
	if (!node)
		return -ENOMEM;
	*ret = node;
	return 0;
}

/* What begins with '@'. */
static int find_special(struct fs *fs, struct thread *thread, const char *name, struct node **ret)
{
	fs_lock(fs);
	bool transcript = transcript_is(name);
	bool ours = transcript || name_role_valid(name + 1);
	struct node *node = NULL;
	if (transcript)
		node = transcript_node(fs, thread, name);
	else if (ours)
		node = stream_node(fs, thread, name + 1);
	if (node)
		node_pin(node);
	fs_unlock(fs);
	if (!node)
		return ours ? -ENOMEM : -ENOENT;
	*ret = node;
	return 0;
}

static int find_stored(struct fs *fs, struct thread *thread, const char *name, struct node **ret)
{
	struct file_info info;
	int rc = store_file_stat(fs->store, thread_ref(thread), name, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	struct node *node = thread_alive(fs, thread) ? node_file(fs, thread, name, info.ino) : NULL;
	bool alive = thread_alive(fs, thread);
	if (node)
		node_pin(node);
	bool moved = node && (strcmp(node->name, name) || node->thread != thread);
	fs_unlock(fs);
	file_info_done(&info);
	if (!node)
		return alive ? -ENOMEM : -ENOENT;
	if (moved && fs->store->ops->shared)
		version_follow(fs, node, thread, name);
	*ret = node;
	return 0;
}

int entry_find(struct fs *fs, struct thread *thread, const char *name, struct node **ret)
{
	if (strlen(name) > STORE_NAME_MAX)
		return -ENAMETOOLONG;
	if (thread->view == THREAD_VIEW_BACKUP)
		return backup_find_file(fs, thread, name, ret);
	if (name[0] == '@')
		return find_special(fs, thread, name, ret);
	if (name_file_check(name) < 0)
		return -ENOENT;
	if (!strcmp(name, ENTRY_DOC))
		return find_doc(fs, thread, ret);
	fs_lock(fs);
	struct file *draft = file_draft(thread, name);
	if (draft) {
		node_pin(draft->node);
		*ret = draft->node;
	}
	fs_unlock(fs);
	return draft ? 0 : find_stored(fs, thread, name, ret);
}

int entry_find_thread(struct fs *fs, const char *name, struct node **ret)
{
	if (strlen(name) > STORE_NAME_MAX)
		return -ENAMETOOLONG;
	if (name_thread_check(name) < 0)
		return -ENOENT;
	struct thread_info info;
	int rc = store_thread_find(fs->store, name, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	struct thread *thread = node_thread_get(fs, &info);
	if (thread)
		node_pin(&thread->node);
	fs_unlock(fs);
	if (!thread)
		return -ENOMEM;
	*ret = &thread->node;
	return 0;
}

/*
 * A thread that nobody has said anything of has a thread.json that shows but was never made: who
 * must make it (cp -a into a new directory, O_EXCL) can. Only this lookup does not find it.
 */
static bool doc_about_to_be_made(fuse_req_t req, const struct thread *thread, const char *name)
{
	return !strcmp(name, ENTRY_DOC) && !thread->doc_said &&
	       caller_creates_exclusively(fuse_req_ctx(req)->pid);
}

static int find_in_view(fuse_req_t req, const struct node *dir, const char *name, struct node **ret)
{
	struct fs *fs = fs_of(req);
	int rc = dir->view->find(fs, dir, name, ret);
	if (rc < 0)
		return rc;
	rc = backup_asked(fs, *ret, fuse_req_ctx(req)->pid, false);
	if (rc < 0) {
		fs_lock(fs);
		node_unpin(fs, *ret);
		fs_unlock(fs);
	}
	return rc;
}

void entry_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node *dir = node_of(fs, parent);
	struct node *node = NULL;
	struct thread *thread;
	int rc;
	if (dir->kind == NODE_ROOT && (node = control_find(fs, dir, name)))
		rc = 0;
	else if (dir->kind == NODE_ROOT)
		rc = entry_find_thread(fs, name, &node);
	else if (dir->kind == NODE_CONTROL_DIR)
		rc = (node = control_find(fs, dir, name)) ? 0 : -ENOENT;
	else if (dir->kind == NODE_VIEW || dir->kind == NODE_VIEW_DIR)
		rc = find_in_view(req, dir, name, &node);
	else if (!(rc = fs_thread_of(fs, parent, &thread)))
		rc = doc_about_to_be_made(req, thread, name) ? -ENOENT
							     : entry_find(fs, thread, name, &node);
	if (rc == -ENOENT && dir->kind == NODE_ROOT && ledger_knows_expired(fs, name))
		metric_add(&fs->metrics, METRIC_EXPIRED_LOOKUPS, 1);
	if (rc < 0)
		fs_reply(req, rc);
	else
		entry_reply(req, node);
}

static void forget(struct fs *fs, fuse_ino_t id, uint64_t count)
{
	if (id == FUSE_ROOT_ID)
		return;
	fs_lock(fs);
	node_forget(fs, node_of(fs, id), count);
	fs_unlock(fs);
}

void entry_forget(fuse_req_t req, fuse_ino_t id, uint64_t count)
{
	forget(fs_of(req), id, count);
	fuse_reply_none(req);
}

void entry_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct fs *fs = fs_of(req);
	for (size_t i = 0; i < count; i++)
		forget(fs, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}
