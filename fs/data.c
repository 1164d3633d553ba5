/* READ, WRITE and ftruncate: what goes in and out of descriptors before it is committed. */
#include "handle.h"

#include "file.h"

#include <fcntl.h>
#include <string.h>

enum { IN_FLIGHT_MIN = 512 << 20 };

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
	CLEAN_BLOB struct blob *text = blob_ref(handle->kind == NODE_FILE ? node->file->content
						: handle->shown		  ? handle->shown
									  : handle->text);
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

/* `append`: at the end as it is here; the kernel's idea of it may be older than a stream's growth.
 */
static int write_file(struct fs *fs, struct handle *handle, const char *data, size_t size,
	off_t offset, bool append, bool mapped)
{
	struct node *node = handle->node;
	int rc = file_load(fs, node);
	if (rc < 0)
		return rc;
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct file *file = node->file;
	if (append)
		offset = (off_t)blob_size(file->content);
	rc = (uint64_t)offset + size > fs->options->max_file_size
		     ? -EFBIG
		     : blob_write(&file->content, (size_t)offset, data, size);
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
	if (!rc) {
		handle_wrote(handle, true);
		handle->timed = false;
	}
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
		rc = file ? write_file(fs, handle, data, size, offset,
				    (fi->flags & O_APPEND) && !fi->writepage, fi->writepage)
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
