/* Attributes as the kernel sees them, and how long it may believe them. */
#include "attr.h"

#include "backup.h"
#include "control.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "remote.h"
#include "transcript.h"
#include "view.h"

#include <string.h>
#include <unistd.h>

static struct timespec timespec_of(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += 1000000000;
	}
	return ts;
}

static void fill(struct fs *fs, struct stat *st, uint64_t ino, mode_t type, uint32_t mode,
	uint32_t uid, uint32_t gid, uint64_t size, int64_t mtime_ns, int64_t ctime_ns)
{
	const struct mount_options *o = fs->options;
	memset(st, 0, sizeof *st);
	st->st_ino = ino;
	st->st_mode = type | (mode & 07777);
	if (o->umask_set)
		st->st_mode = type | (0777 & ~o->umask);
	st->st_nlink = S_ISDIR(type) ? 2 : 1;
	st->st_uid = o->uid_set ? o->uid : uid;
	st->st_gid = o->gid_set ? o->gid : gid;
	st->st_size = (off_t)size;
	st->st_blocks = (blkcnt_t)((size + 511) / 512);
	st->st_blksize = 4096;
	st->st_mtim = timespec_of(mtime_ns);
	st->st_atim = st->st_mtim;
	st->st_ctim = timespec_of(ctime_ns);
}

void attr_root(struct fs *fs, struct stat *ret)
{
	fs_lock(fs);
	struct root_info root = fs->root_info;
	int64_t expiry_ns = fs->root_expiry_ms * 1000000;
	fs_unlock(fs);
	if (expiry_ns > root.mtime_ns)
		root.mtime_ns = expiry_ns;
	if (expiry_ns > root.ctime_ns)
		root.ctime_ns = expiry_ns;
	fill(fs, ret, FUSE_ROOT_ID, S_IFDIR, root.mode, root.uid, root.gid, 0, root.mtime_ns,
		root.ctime_ns);
}

void attr_thread(struct fs *fs, const struct thread_info *info, struct stat *ret)
{
	fill(fs, ret, info->gen, S_IFDIR, info->mode, info->uid, info->gid, 0, info->mtime_ns,
		info->ctime_ns);
}

void attr_file(struct fs *fs, const struct file_info *info, struct stat *ret)
{
	fill(fs, ret, info->ino, S_IFREG, info->mode, info->uid, info->gid, info->size,
		info->mtime_ns, info->ctime_ns);
}

void attr_doc(struct fs *fs, const struct thread_info *info, uint64_t size, struct stat *ret)
{
	fill(fs, ret, ino_of_doc(info->doc.ino), S_IFREG, info->doc.mode, info->doc.uid,
		info->doc.gid, size, info->doc.mtime_ns, info->doc.ctime_ns);
}

void attr_stream(struct fs *fs, const struct node *node, uint64_t size, struct stat *ret)
{
	const struct thread *thread = node->thread;
	fill(fs, ret, node->ino, S_IFREG, thread->mode & 0666, thread->uid, thread->gid, size, 0,
		0);
	ret->st_mtim = ret->st_atim = ret->st_ctim = timespec_of(clock_wall_ns());
}

void attr_control(struct fs *fs, const struct node *node, uint64_t size, struct stat *ret)
{
	bool dir = node->kind == NODE_CONTROL_DIR || node->kind == NODE_VIEW ||
		   node->kind == NODE_VIEW_DIR;
	fill(fs, ret, node->ino, dir ? S_IFDIR : S_IFREG, dir ? 0700 : 0400, getuid(), getgid(),
		size, 0, 0);
	ret->st_mtim = ret->st_atim = ret->st_ctim = timespec_of(clock_wall_ns());
}

double attr_timeout(struct fs *fs, int64_t deadline_ms)
{
	if (!remote_is_told(fs))
		return 0;
	if (deadline_ms == STORE_DEADLINE_NEVER)
		return TIMEOUT_MAX_S;
	int64_t left = deadline_ms - store_now_ms(fs->store) - TIMEOUT_SLACK_MS;
	if (left <= 0)
		return 0;
	double seconds = (double)left / 1000;
	return seconds < TIMEOUT_MAX_S ? seconds : TIMEOUT_MAX_S;
}

double attr_timeout_root(struct fs *fs)
{
	fs_lock(fs);
	int64_t nearest = expiry_nearest_ms(fs);
	fs_unlock(fs);
	return atomic_load(&fs->deadlines_loaded) ? attr_timeout(fs, nearest) : 0;
}

static int thread_attr(struct fs *fs, struct thread *thread, struct stat *ret)
{
	struct thread_info info;
	int rc = store_thread_stat(fs->store, thread_ref(thread), &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread_update(fs, thread, &info);
	bool alive = thread_alive(fs, thread);
	fs_unlock(fs);
	attr_thread(fs, &info, ret);
	if (!alive)
		ret->st_nlink = 0;
	return 0;
}

static int doc_attr(struct fs *fs, struct thread *thread, struct stat *ret)
{
	struct thread_info info;
	uint64_t size;
	int rc = doc_size(fs, thread, &info, &size);
	if (rc < 0)
		return rc;
	attr_doc(fs, &info, size, ret);
	return 0;
}

int attr_get(struct fs *fs, struct node *node, struct stat *ret)
{
	uint64_t size = 0;
	int rc;
	if (backup_has(node) || node->view == &view_backup)
		return backup_attr(fs, node, ret);
	switch (node->kind) {
	case NODE_ROOT:
		attr_root(fs, ret);
		return 0;
	case NODE_THREAD:
		return thread_attr(fs, (struct thread *)node, ret);
	case NODE_FILE:
		return file_attr(fs, node, ret);
	case NODE_DOC:
		return doc_attr(fs, node->thread, ret);
	case NODE_STREAM:
		attr_stream(fs, node, 0, ret);
		return 0;
	case NODE_TRANSCRIPT:
		rc = transcript_size(fs, node, &size);
		if (rc < 0)
			return rc;
		attr_stream(fs, node, size, ret);
		return 0;
	default:
		rc = control_size(fs, node, &size);
		if (rc < 0)
			return rc;
		attr_control(fs, node, size, ret);
		return 0;
	}
}

double attr_timeout_of(struct fs *fs, struct node *node)
{
	if (backup_has(node))
		return 0;
	switch (node->kind) {
	case NODE_ROOT:
		return attr_timeout_root(fs);
	case NODE_THREAD:
		return attr_timeout(fs, ((struct thread *)node)->deadline_ms);
	case NODE_FILE:
		return attr_timeout(fs, node->thread->deadline_ms);
	default:
		return 0;
	}
}

int attr_reachable(struct fs *fs, struct node *node)
{
	struct thread *thread = node_thread(node);
	fs_lock(fs);
	bool open = node->file && node->file->handles;
	bool alive = !thread || thread_alive(fs, thread);
	fs_unlock(fs);
	return alive || open || node->kind == NODE_THREAD ? 0 : -ENOENT;
}

void attr_get_handler(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = node_of(fs, id);
	struct stat st;
	int rc = fi ? 0 : attr_reachable(fs, node);
	if (!rc)
		rc = attr_get(fs, node, &st);
	if (rc < 0)
		fs_reply(req, rc);
	else
		fuse_reply_attr(req, &st, attr_timeout_of(fs, node));
}
