/* Descriptors: open, read, write, flush, fsync and release of everything that has content. */
#include "handle.h"

#include "attr.h"
#include "backup.h"
#include "control.h"
#include "doc.h"
#include "entry.h"
#include "file.h"
#include "notify.h"
#include "stream.h"
#include "transcript.h"
#include "work.h"

#include "base/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum { IN_FLIGHT_MIN = 512 << 20 };

static struct handle *handle_make(fuse_req_t req, struct node *node, int flags)
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

/* fs->lock held. */
static void handle_uncount(struct fs *fs, struct handle *handle)
{
	fs->in_flight -= handle->counted;
	handle->counted = 0;
}

static void handle_free(struct fs *fs, struct handle *handle)
{
	fs_lock(fs);
	handle_uncount(fs, handle);
	DL_DELETE(fs->handles, handle);
	node_unpin(fs, handle->node);
	fs_unlock(fs);
	blob_unref(handle->text);
	free(handle);
}

/* Whether it has written what is not committed; a file counts such handles. fs->lock held. */
static void handle_wrote(struct handle *handle, bool wrote)
{
	struct file *file = handle->kind == NODE_FILE ? handle->node->file : NULL;
	if (file && wrote != handle->wrote)
		file->writers += wrote ? 1U : -1U;
	handle->wrote = wrote;
}

static bool is_writer(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/* The kernel's part of an open: what it may cache, and when it need not ask. */
static void open_flags(struct fuse_file_info *fi, struct node *node)
{
	bool private = node->kind != NODE_FILE;
	fi->direct_io = private || (fi->flags & O_ACCMODE) == O_WRONLY;
	fi->keep_cache = !private && node_is_writable(node);
	fi->noflush = !is_writer(fi->flags);
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
	if (!rc)
		file->handles++;
	fs_unlock(fs);
	bool cut = (handle->flags & O_TRUNC) && is_writer(handle->flags);
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
	bool writer = is_writer(handle->flags);
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
	if (!rc && node->kind == NODE_FILE)
		rc = open_file(fs, handle);
	if (!rc)
		rc = entry_fill(fs, node, &entry);
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

/* Returns how many bytes that were. */
static size_t reply_slice(fuse_req_t req, const struct blob *text, size_t size, off_t offset)
{
	size_t total = blob_size(text);
	size_t from = offset < 0 || (size_t)offset > total ? total : (size_t)offset;
	size_t count = size < total - from ? size : total - from;
	fuse_reply_buf(req, blob_data(text) + from, count);
	return count;
}

void handle_read(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *handle = (struct handle *)(uintptr_t)fi->fh;
	struct node *node = handle->node;
	if (handle->kind == NODE_FILE) {
		int rc = file_load(fs, node);
		if (rc < 0) {
			fs_reply(req, rc);
			return;
		}
	}
	fs_lock(fs);
	CLEAN_BLOB struct blob *text =
		blob_ref(handle->kind == NODE_FILE ? node->file->content : handle->text);
	fs_unlock(fs);
	metric_add(&fs->metrics, METRIC_BYTES_READ, reply_slice(req, text, size, offset));
}

/* W9: what makes a single write impossible. */
static int write_refused(struct fs *fs, const struct handle *handle, size_t size, off_t offset)
{
	if (handle->error)
		return handle->error;
	uint64_t end = (uint64_t)offset + size;
	if (handle->append_only)
		end = blob_size(handle->text) + size;
	if (offset < 0 || end > fs->options->max_file_size)
		return -EFBIG;
	int rc = fs_write_allowed(fs);
	if (rc < 0)
		return rc;
	size_t most = 2 * fs->options->max_file_size;
	fs_lock(fs);
	bool full = fs->in_flight + size > (most > IN_FLIGHT_MIN ? most : IN_FLIGHT_MIN);
	fs_unlock(fs);
	return full ? -ENOMEM : 0;
}

static int write_file(struct fs *fs, struct handle *handle, const char *data, size_t size,
	off_t offset, bool mapped)
{
	struct node *node = handle->node;
	int rc = file_load(fs, node);
	if (rc < 0)
		return rc;
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct file *file = node->file;
	rc = blob_write(&file->content, (size_t)offset, data, size);
	if (!rc) {
		file->info.size = blob_size(file->content);
		file->info.mtime_ns = file->info.ctime_ns = now;
		file->changes++;
		file->emptied = false;
		if (mapped)
			file->mapped = true;
		else
			handle_wrote(handle, true);
	}
	fs_unlock(fs);
	return rc;
}

static int write_text(
	struct fs *fs, struct handle *handle, const char *data, size_t size, off_t offset)
{
	fs_lock(fs);
	size_t at = handle->append_only ? blob_size(handle->text) : (size_t)offset;
	int rc = blob_write(&handle->text, at, data, size);
	if (!rc)
		handle_wrote(handle, true);
	fs_unlock(fs);
	return rc;
}

void handle_write(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *handle = (struct handle *)(uintptr_t)fi->fh;
	bool file = handle->kind == NODE_FILE;
	int rc = write_refused(fs, handle, size, offset);
	if (!rc)
		rc = file ? write_file(fs, handle, data, size, offset, fi->writepage)
			  : write_text(fs, handle, data, size, offset);
	if (rc < 0) {
		handle->error = rc;
		fs_reply(req, rc);
		return;
	}
	fs_lock(fs);
	handle->counted += size;
	fs->in_flight += size;
	fs_unlock(fs);
	metric_add(&fs->metrics, METRIC_BYTES_WRITTEN, size);
	fuse_reply_write(req, size);
}

int handle_truncate(struct fs *fs, struct node *node, struct handle *handle, off_t size)
{
	enum node_kind kind = handle ? handle->kind : node->kind;
	if (kind == NODE_FILE) {
		if (handle && handle->error)
			return handle->error;
		int rc = fs_write_allowed(fs);
		if (!rc)
			rc = file_truncate(fs, node, handle, size);
		if (!handle)
			return rc;
		fs_lock(fs);
		if (rc < 0)
			handle->error = rc;
		else if (size)
			handle_wrote(handle, true);
		fs_unlock(fs);
		return rc;
	}
	if (kind == NODE_STREAM || kind == NODE_TRANSCRIPT)
		return 0;
	if (kind != NODE_DOC)
		return -EPERM;
	if (!handle || size < 0 || (uint64_t)size > fs->options->max_file_size)
		return handle ? -EFBIG : -EINVAL;
	fs_lock(fs);
	int rc = blob_resize(&handle->text, (size_t)size);
	if (!rc && size)
		handle_wrote(handle, true);
	fs_unlock(fs);
	return rc;
}

/* Whether a flush of this descriptor has something to commit. fs->lock held. */
static bool to_commit(const struct handle *handle)
{
	const struct file *file = handle->kind == NODE_FILE ? handle->node->file : NULL;
	return handle->wrote || (file && file->mapped && is_writer(handle->flags));
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
		rc = doc_write(fs, node->thread, handle->text, NULL);
		if (rc == -EBADMSG)
			rc = -EINVAL;
		break;
	case NODE_STREAM:
		rc = stream_commit(fs, handle, durable);
		break;
	default:
		rc = transcript_commit(fs, handle, durable);
	}
	fs_lock(fs);
	handle_uncount(fs, handle);
	fs_unlock(fs);
	if (rc < 0)
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
	int rc = handle_commit(fs, flush->handle, flush->sync);
	if (!rc && flush->sync)
		rc = store_sync(fs->store);
	metric_took(&fs->metrics.commit, flush->begun_ns);
	fs_reply(flush->req, rc);
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

/* The last descriptor of a file is gone: what commits now, and what is given up. From the pool. */
static void file_released(struct fs *fs, struct node *node, bool refused)
{
	fs_lock(fs);
	struct file *file = node->file;
	file->users++;
	bool commit = !file->unlinked && (file->emptied || file->mapped);
	fs_unlock(fs);
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
		handle_wrote(handle, false);
		bool last = --file->handles == 0;
		bool settle =
			last && (file->draft || file->emptied || file->mapped || handle->error);
		if (last && !settle)
			file_drop_if_idle(fs, file);
		fs_unlock(fs);
		if (settle)
			file_released(fs, node, handle->error);
	}
	handle_free(fs, handle);
}

static void release_run(struct fs *fs, struct work *work)
{
	struct flush *release = (struct flush *)work;
	handle_close(fs, release->handle);
	fs_reply(release->req, 0);
	free(release);
}

void handle_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *handle = (struct handle *)(uintptr_t)fi->fh;
	struct node *node = handle->node;
	fs_lock(fs);
	const struct file *file = handle->kind == NODE_FILE ? node->file : NULL;
	bool plain = !file || file->handles > 1 ||
		     !(file->draft || file->emptied || file->mapped || handle->error);
	fs_unlock(fs);
	struct flush *release = plain ? NULL : malloc(sizeof *release);
	if (!release) {
		handle_close(fs, handle);
		fs_reply(req, 0);
		return;
	}
	*release = (struct flush){.work.run = release_run, .req = req, .handle = handle};
	work_submit(fs, &release->work);
}

void handle_free_all(struct fs *fs)
{
	while (fs->handles)
		handle_free(fs, fs->handles);
}
