/* The life of descriptors: made, counted, released. What they do is in open.c, data.c and flush.c.
 */
#include "handle.h"

#include "file.h"
#include "work.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <utlist.h>

struct handle *handle_make(fuse_req_t req, struct node *node, int flags)
{
	struct fs *fs = fs_of(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct handle *handle = calloc(1, sizeof *handle);
	if (!handle)
		return NULL;
	handle->node = node;
	handle->kind = node->kind;
	handle->flags = flags;
	handle->uid = ctx->uid;
	handle->gid = ctx->gid;
	fs_lock(fs);
	node_pin(node);
	DL_APPEND(fs->handles, handle);
	fs_unlock(fs);
	return handle;
}

void handle_uncount(struct fs *fs, struct handle *handle)
{
	fs->in_flight -= handle->counted;
	handle->counted = 0;
}

void handle_free(struct fs *fs, struct handle *handle)
{
	fs_lock(fs);
	handle_uncount(fs, handle);
	DL_DELETE(fs->handles, handle);
	if (handle->kind == NODE_STREAM && handle->node->pins == 1)
		handle->node->thread->stream = handle->node;
	node_unpin(fs, handle->node);
	fs_unlock(fs);
	blob_unref(handle->text);
	blob_unref(handle->shown);
	free(handle->seen);
	free(handle);
}

void handle_wrote(struct handle *handle, bool wrote)
{
	struct file *file = handle->kind == NODE_FILE ? handle->node->file : NULL;
	if (file && wrote != handle->wrote)
		file->writers += wrote ? 1U : -1U;
	handle->wrote = wrote;
}

bool handle_is_writer(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* The last descriptor of a file is gone, which its caller holds: what commits now, and what is
 * given up. From the pool. */
static void file_released(struct fs *fs, struct node *node, bool refused)
{
	struct file *file = node->file;
	fs_lock(fs);
	/* What a descriptor emptied and then could not write is as it was before (W9). */
	bool doubtful = !refused && !file->mapped && !file->unlinked && file->emptied &&
			!file_left_empty(file);
	refused = refused || doubtful;
	bool commit = !refused && !file->unlinked && (file->emptied || file->mapped);
	fs_unlock(fs);
	if (doubtful)
		log_error("thread %s: %s was cut to nothing while memory was short: it is as it "
			  "was before",
			node->thread->id->text, node->name);
	int rc = commit ? file_commit(fs, node, false) : 0;
	if (rc < 0)
		log_error("thread %s: %s could not be committed at its last close: error %d",
			node->thread->id->text, node->name, -rc);
	fs_lock(fs);
	file->users--;
	file_drop_if_idle(fs, file);
	fs_unlock(fs);
	if (refused || rc < 0)
		file_revert(fs, node);
}

void handle_close(struct fs *fs, struct handle *handle)
{
	struct node *node = handle->node;
	if (handle->kind == NODE_FILE) {
		fs_lock(fs);
		struct file *file = node->file;
		bool refused = handle->error || handle->wrote; /* wrote: its FLUSH was refused */
		handle_wrote(handle, false);
		bool last = --file->handles == 0;
		bool settle = last && (file->draft || file->emptied || file->mapped || refused);
		if (settle)
			file->users++; /* an unlink may come between: it stays till that is done */
		else if (last)
			file_drop_if_idle(fs, file);
		fs_unlock(fs);
		if (settle)
			file_released(fs, node, refused);
	}
	handle_free(fs, handle);
}

static void release_run(struct fs *fs, struct work *work)
{
	struct handle *handle = (struct handle *)work;
	fuse_req_t req = handle->released;
	handle_close(fs, handle);
	fs_reply(req, 0);
}

void handle_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *handle = (struct handle *)(uintptr_t)fi->fh;
	struct node *node = handle->node;
	fs_lock(fs);
	const struct file *file = handle->kind == NODE_FILE ? node->file : NULL;
	bool plain =
		!file || file->handles > 1 ||
		!(file->draft || file->emptied || file->mapped || handle->error || handle->wrote);
	fs_unlock(fs);
	if (plain) {
		handle_close(fs, handle);
		fs_reply(req, 0);
		return;
	}
	handle->release.run = release_run;
	handle->released = req;
	work_submit(fs, &handle->release);
}

void handle_free_all(struct fs *fs)
{
	while (fs->handles)
		handle_free(fs, fs->handles);
}
