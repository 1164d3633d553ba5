/* OPEN and CREATE of everything that has content. */
#include "handle.h"

#include "backup.h"
#include "control.h"
#include "doc.h"
#include "entry.h"
#include "file.h"
#include "transcript.h"

#include <fcntl.h>
#include <stdlib.h>

/* The kernel's part of an open: what it may cache, and when it need not ask. */
static void open_flags(struct fuse_file_info *fi, struct node *node)
{
	bool private = node->kind != NODE_FILE;
	fi->direct_io = private || (fi->flags & O_ACCMODE) == O_WRONLY;
	fi->keep_cache = !private && node_is_writable(node);
	fi->noflush = !handle_is_writer(fi->flags);
}

/*
 * T5: what can be erased at any instant (without grace, or in .turnfs/expired) is fetched when it
 * is opened, so that it stays readable until it is closed.
 */
static bool fetched_at_open(struct fs *fs, const struct handle *handle)
{
	return (handle->flags & O_ACCMODE) != O_WRONLY && !(handle->flags & O_TRUNC) &&
	       (!fs->options->grace_ms || !node_is_writable(handle->node));
}

static int open_file(struct fs *fs, struct handle *handle)
{
	struct node *node = handle->node;
	fs_lock(fs);
	struct file *file = node->file;
	int rc = thread_alive(fs, node->thread) ? 0 : -ENOENT;
	while (file && file->leaving) {
		pthread_cond_wait(&fs->idle, &fs->lock);
		file = node->file;
	}
	/* Gone since its lookup: ESTALE makes the kernel look again, and find what is there now. */
	if (!rc && !node->hashed && !(file && file->loaded))
		rc = -ESTALE;
	if (!rc) {
		file = file_get(fs, node);
		rc = file ? 0 : -ENOMEM;
	}
	if (!rc) {
		file->handles++;
		node->used = true;
	}
	fs_unlock(fs);
	bool cut = (handle->flags & O_TRUNC) && handle_is_writer(handle->flags);
	if (rc < 0 || !(cut || fetched_at_open(fs, handle)))
		return rc;
	rc = cut ? file_cut(fs, node) : file_load(fs, node);
	if (rc < 0) {
		fs_lock(fs);
		file->handles--;
		file_drop_if_idle(fs, file);
		fs_unlock(fs);
	}
	return rc;
}

/* The text that a handle of its own reads, or edits. */
static int open_text(struct fs *fs, struct handle *handle)
{
	struct node *node = handle->node;
	bool writer = handle_is_writer(handle->flags);
	if (node->thread && !thread_alive(fs, node->thread))
		return -ENOENT;
	switch (handle->kind) {
	case NODE_DOC:
		if (writer && (handle->flags & O_TRUNC))
			return 0;
		return doc_text(fs, node->thread, &handle->text);
	case NODE_STREAM:
		handle->append_only = true;
		return (handle->flags & O_ACCMODE) == O_WRONLY ? 0 : -EACCES;
	case NODE_TRANSCRIPT:
		handle->append_only = writer;
		if (!writer)
			return transcript_text(fs, node, &handle->text);
		return transcript_writable(node) && (handle->flags & O_ACCMODE) == O_WRONLY
			       ? 0
			       : -EACCES;
	case NODE_BACKUP:
		return backup_text(fs, node, &handle->text);
	default:
		return writer ? -EACCES : control_text(fs, node, &handle->text);
	}
}

void handle_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = node_of(fs, id);
	struct handle *handle = handle_make(req, node, fi->flags);
	int rc = -ENOMEM;
	if (handle)
		rc = handle->kind == NODE_FILE ? open_file(fs, handle) : open_text(fs, handle);
	if (rc < 0) {
		if (handle)
			handle_free(fs, handle);
		fs_reply(req, rc);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)handle;
	open_flags(fi, node);
	if (fuse_reply_open(req, fi) == -ENOENT)
		handle_close(fs, handle);
}

void handle_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node;
	struct fuse_entry_param entry;
	int rc = entry_make(req, parent, name, mode, fi->flags & O_EXCL, &node);
	if (rc < 0) {
		fs_reply(req, rc);
		return;
	}
	struct handle *handle = handle_make(req, node, fi->flags);
	rc = handle ? 0 : -ENOMEM;
	bool opened = !rc && node->kind == NODE_FILE;
	if (opened)
		rc = open_file(fs, handle);
	opened = opened && !rc;
	if (!rc)
		rc = entry_fill(fs, node, &entry);
	if (rc < 0 && node->kind == NODE_FILE)
		file_unmake(fs, node, opened);
	fs_lock(fs);
	node_unpin(fs, node);
	fs_unlock(fs);
	if (rc < 0) {
		if (handle)
			handle_free(fs, handle);
		fs_reply(req, rc);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)handle;
	open_flags(fi, node);
	if (fuse_reply_create(req, &entry, fi) == -ENOENT) {
		handle_close(fs, handle);
		entry_unreplied(fs, node);
	}
}
