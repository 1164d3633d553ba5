/* What the concerns of the mount share. */
#include "fs.h"

#include "base/interrupt.h"
#include "base/log.h"

int64_t fs_now_ns(struct fs *fs)
{
	int64_t now = clock_wall_ns();
	fs_lock(fs);
	if (now <= fs->time_last)
		now = fs->time_last + 1;
	fs->time_last = now;
	fs_unlock(fs);
	return now;
}

int fs_ino_new(struct fs *fs, uint64_t *ret)
{
	fs_lock(fs);
	bool have = fs->ino_next < fs->ino_end;
	if (have)
		*ret = fs->ino_next++;
	fs_unlock(fs);
	if (have)
		return 0;

	uint64_t first;
	int rc = store_reserve(fs->store, INO_BLOCK, &first);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	*ret = first;
	fs->ino_next = first + 1;
	fs->ino_end = first + INO_BLOCK;
	fs_unlock(fs);
	return 0;
}

void fs_reply(fuse_req_t req, int rc)
{
	if ((rc == -ETIMEDOUT || rc == -EIO) && interrupt_is_asked())
		rc = -EINTR;
	metric_error(&fs_of(req)->metrics, rc);
	fuse_reply_err(req, rc < 0 ? -rc : 0);
}

/* Whether -errno tells of the store's state rather than of the request. */
static bool tells_of_store(int rc)
{
	switch (rc) {
	case -EIO:
	case -ENOSPC:
	case -EROFS:
	case -ETIMEDOUT:
	case -EACCES:
		return true;
	default:
		return false;
	}
}

void fs_commit_ended(struct fs *fs, int rc)
{
	if (rc >= 0)
		atomic_store(&fs->store_error, 0);
	else if (tells_of_store(rc) && atomic_exchange(&fs->store_error, rc) == 0 && rc == -EIO) {
		/* It may be of one thread that is damaged: the next write, perhaps to another,
		 * asks. */
		fs_lock(fs);
		fs->probed_ms = 0;
		fs_unlock(fs);
	}
}

int fs_write_allowed(struct fs *fs)
{
	int error = atomic_load(&fs->store_error);
	if (!error)
		return 0;
	int64_t now = clock_now_ms(clock_steady());
	fs_lock(fs);
	bool probe = now - fs->probed_ms >= 500 || now < fs->probed_ms;
	if (probe)
		fs->probed_ms = now;
	fs_unlock(fs);
	if (!probe)
		return error;
	struct store_health health;
	int rc = store_health(fs->store, true, &health);
	if (rc < 0)
		return rc;
	if (health.state == HEALTH_FAILED)
		return health.error ? health.error : error;
	atomic_store(&fs->store_error, 0);
	return 0;
}

void fs_store_is_back(struct fs *fs)
{
	int error = atomic_load(&fs->store_error);
	if (error == -EIO || error == -ETIMEDOUT)
		atomic_compare_exchange_strong(&fs->store_error, &error, 0);
}

unsigned fs_durable(const struct fs *fs)
{
	return fs->options->sync_fsync ? 0 : STORE_DURABLE;
}

void fs_root_touch(struct fs *fs, int64_t now_ns)
{
	fs_lock(fs);
	fs->root_info.mtime_ns = fs->root_info.ctime_ns = now_ns;
	struct root_info root = fs->root_info;
	fs_unlock(fs);
	int rc = store_root_set(fs->store, &root);
	if (rc < 0)
		log_debug("the root's times could not be kept: error %d", -rc);
}

int fs_thread_of(struct fs *fs, fuse_ino_t id, struct thread **ret)
{
	struct node *node = node_of(fs, id);
	if (node->kind != NODE_THREAD)
		return -ENOTDIR;
	struct thread *thread = (struct thread *)node;
	if (!thread_alive(fs, thread))
		return -ENOENT;
	*ret = thread;
	return 0;
}
