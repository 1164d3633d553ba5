/* FLUSH and FSYNC: what a descriptor wrote is committed, in the pool (W3). */
#include "handle.h"

#include "doc.h"
#include "file.h"
#include "interrupt.h"
#include "stream.h"
#include "transcript.h"
#include "work.h"

#include <stdlib.h>

/* Whether a flush of this descriptor has something to commit. fs->lock held. */
static bool to_commit(const struct handle *handle)
{
	const struct file *file = handle->kind == NODE_FILE ? handle->node->file : NULL;
	return handle->wrote || (file && file->mapped && handle_is_writer(handle->flags));
}

/* Commits what the descriptor wrote. From the pool. */
static int handle_commit(struct fs *fs, struct handle *handle, bool durable)
{
	struct node *node = handle->node;
	fs_lock(fs);
	int rc = handle->error;
	bool needed = to_commit(handle);
	handle_wrote(handle, false);
	fs_unlock(fs);
	if (rc < 0 && handle->kind == NODE_FILE)
		file_revert(fs, node);
	if (rc < 0 || !needed)
		return rc;
	switch (handle->kind) {
	case NODE_FILE:
		rc = file_commit(fs, node, durable);
		break;
	case NODE_DOC:
		rc = doc_write(fs, node->thread, handle->text, NULL,
			handle->timed ? &handle->mtime_ns : NULL, handle->seen);
		if (rc == -EBADMSG)
			rc = -EINVAL;
		break;
	case NODE_STREAM:
		rc = stream_commit(fs, handle, durable);
		break;
	default:
		rc = transcript_commit(fs, handle, durable);
	}
	/* Half a document, closed by one of several that write it, may yet become whole. */
	bool unfinished = rc == -EINVAL && handle->kind != NODE_FILE;
	fs_lock(fs);
	handle_uncount(fs, handle);
	if (unfinished)
		handle_wrote(handle, true);
	fs_unlock(fs);
	if (rc < 0 && !unfinished)
		handle->error = rc;
	if (rc < 0 && handle->kind == NODE_FILE)
		file_revert(fs, node);
	return rc;
}

struct flush {
	struct work work;
	fuse_req_t req;
	struct handle *handle;
	bool sync;
	int64_t begun_ns; /* for the metrics: waiting counts */
};

static void flush_run(struct fs *fs, struct work *work)
{
	struct flush *flush = (struct flush *)work;
	interrupt_begin(flush->req);
	int rc = handle_commit(fs, flush->handle, flush->sync);
	if (!rc && flush->sync) {
		rc = store_sync(fs->store);
		if (rc < 0)
			flush->handle->error = rc; /* final for what this descriptor wrote (F4) */
	}
	metric_took(&fs->metrics.commit, flush->begun_ns);
	fs_reply(flush->req, rc);
	interrupt_end();
	free(flush);
}

static void flush_submit(fuse_req_t req, struct handle *handle, bool sync)
{
	struct flush *flush = malloc(sizeof *flush);
	if (!flush) {
		handle->error = -ENOMEM;
		fs_reply(req, -ENOMEM);
		return;
	}
	*flush = (struct flush){.work.run = flush_run,
		.req = req,
		.handle = handle,
		.sync = sync,
		.begun_ns = metric_now_ns()};
	work_submit(fs_of(req), &flush->work);
}

/* W3: only descriptors that wrote have something to commit, or an error to repeat. */
void handle_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *handle = (struct handle *)(uintptr_t)fi->fh;
	fs_lock(fs);
	int error = handle->error;
	bool needed = to_commit(handle);
	fs_unlock(fs);
	if (!error && !needed)
		fs_reply(req, 0);
	else
		flush_submit(req, handle, false);
}

void handle_fsync(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi)
{
	flush_submit(req, (struct handle *)(uintptr_t)fi->fh, true);
}
