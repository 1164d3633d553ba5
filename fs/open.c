/* OPEN and CREATE of everything that has content. */
#include "handle.h"

#include "backup.h"
#include "control.h"
#include "doc.h"
#include "entry.h"
#include "file.h"
#include "notify.h"
#include "remote.h"
#include "transcript.h"
#include "version.h"
#include "work.h"

#include <fcntl.h>
#include <stdlib.h>

/* The kernel's part of an open: what it may cache, and when it need not ask. */
static void open_flags(struct fs *fs, struct fuse_file_info *fi, struct node *node)
{
	bool private = node->kind != NODE_FILE;
	fi->direct_io = private || (fi->flags & O_ACCMODE) == O_WRONLY;
	fi->keep_cache = !private && node_is_writable(node) && remote_is_told(fs);
	fi->noflush = !handle_is_writer(fi->flags);
}

/*
 * T5: what can be erased at any instant (without grace, or in .turnfs/expired) is fetched when it
 * is opened, so that it stays readable until it is closed. M5, W8: so is what others can change.
 */
static bool fetched_at_open(struct fs *fs, const struct handle *handle)
{
	if (fs->store->ops->shared)
		return !(handle->flags & O_TRUNC);
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
	if (!rc && !node->hashed && !(file && file->loaded && !file->stale))
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
	bool cut = handle->flags & O_TRUNC; /* O_RDONLY too: the kernel has asked for the right */
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

static int open_doc(struct fs *fs, struct handle *handle, bool writer)
{
	struct thread *thread = handle->node->thread;
	int rc = writer ? doc_see(fs, thread, &handle->seen) : 0;
	if (rc < 0 || (writer && (handle->flags & O_TRUNC)))
		return rc;
	return doc_text(fs, thread, &handle->text);
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
		/* The kernel's size of a computed file may be that of a moment ago. */
		handle->append_only = handle->flags & O_APPEND;
		return open_doc(fs, handle, writer);
	case NODE_STREAM:
		handle->append_only = true;
		return (handle->flags & O_ACCMODE) == O_WRONLY ? 0 : -EACCES;
	case NODE_TRANSCRIPT:
		handle->append_only = writer;
		if (writer && !transcript_writable(node))
			return -EACCES;
		if ((handle->flags & O_ACCMODE) == O_WRONLY)
			return 0;
		return transcript_text(fs, node, writer ? &handle->shown : &handle->text);
	case NODE_BACKUP:
		return backup_text(fs, node, &handle->text);
	default:
		return writer ? -EACCES : control_text(fs, node, &handle->text);
	}
}

/*
 * Whether what the kernel has of the file, attributes and pages, is of the version that was just
 * opened. Others may have changed it since, and be about to be heard of.
 */
static bool is_of_one_version(struct fs *fs, const struct handle *handle)
{
	struct node *node = handle->node;
	if (handle->kind != NODE_FILE)
		return true;
	fs_lock(fs);
	const struct file *file = node->file;
	bool one = version_told(fs, node, file->info.revision);
	if (!one && (handle->flags & O_TRUNC)) {
		node->told = file->info.revision; /* the kernel cuts what it has */
		one = true;
	}
	fs_unlock(fs);
	return one;
}

struct opening {
	struct work work;
	fuse_req_t req;
	struct handle *handle;
	struct fuse_file_info fi;
};

static void opening_run(struct fs *fs, struct work *work)
{
	struct opening *opening = (struct opening *)work;
	struct node *node = opening->handle->node;
	fs_lock(fs);
	node->told = STORE_REVISION_ANY;
	fs_unlock(fs);
	notify_inode(fs, node, true);
	fs_lock(fs);
	node->told = node->file->info.revision;
	fs_unlock(fs);
	if (fuse_reply_open(opening->req, &opening->fi) == -ENOENT)
		handle_close(fs, opening->handle);
	free(opening);
}

/* Has the kernel drop another version first, in the pool. False: no memory for that. */
static bool open_later(fuse_req_t req, struct handle *handle, const struct fuse_file_info *fi)
{
	struct opening *opening = malloc(sizeof *opening);
	if (!opening)
		return false;
	*opening =
		(struct opening){.work.run = opening_run, .req = req, .handle = handle, .fi = *fi};
	opening->fi.keep_cache = false;
	work_submit(fs_of(req), &opening->work);
	return true;
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
	open_flags(fs, fi, node);
	if (!is_of_one_version(fs, handle) && open_later(req, handle, fi))
		return;
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
	open_flags(fs, fi, node);
	if (fuse_reply_create(req, &entry, fi) == -ENOENT) {
		handle_close(fs, handle);
		entry_unreplied(fs, node);
	}
}
