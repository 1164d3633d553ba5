/*
 * Read-only views (.turnfs/expired, .turnfs/backup): every request that would change something
 * passes here first, so that no handler behind needs to know of them. The one way to change what is
 * in a view is the rename that restores a thread.
 */
#include "guard.h"

#include "attr.h"
#include "entry.h"
#include "expired.h"
#include "handle.h"
#include "later.h"
#include "view.h"
#include "xattr.h"

#include <fcntl.h>
#include <unistd.h>

/* Whether the request was answered: with EROFS. */
static bool refused(fuse_req_t req, fuse_ino_t id)
{
	if (node_is_writable(node_of(fs_of(req), id)))
		return false;
	fs_reply(req, -EROFS);
	return true;
}

void guard_setattr(
	fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set, struct fuse_file_info *fi)
{
	if (!refused(req, id))
		setattr_handler(req, id, attr, to_set, fi);
}

void guard_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	if (!refused(req, parent))
		later_mknod(req, parent, name, mode, rdev);
}

void guard_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	if (!refused(req, parent))
		later_mkdir(req, parent, name, mode);
}

void guard_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (!refused(req, parent))
		later_unlink(req, parent, name);
}

void guard_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (!refused(req, parent))
		later_rmdir(req, parent, name);
}

void guard_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	if (!refused(req, parent))
		entry_symlink(req, link, parent, name);
}

void guard_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t to_parent, const char *to)
{
	if (!refused(req, to_parent))
		entry_link(req, id, to_parent, to);
}

/* Never EXDEV, after which mv would copy and then fail to remove. */
void guard_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct node *from_dir = node_of(fs, parent), *to_dir = node_of(fs, to_parent);
	bool restores = from_dir->view == &view_expired;
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		fs_reply(req, -EINVAL);
	else if (!node_is_writable(to_dir))
		fs_reply(req, -EROFS);
	else if (restores && to_dir->kind == NODE_ROOT)
		fs_reply(req, expired_restore(fs, name, to, flags));
	else if (restores)
		fs_reply(req, -EPERM); /* threads are in the root and nowhere else (N5) */
	else if (!refused(req, parent))
		later_rename(req, parent, name, to_parent, to, flags);
}

void guard_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	bool writes = (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC);
	if (!writes || !refused(req, id))
		handle_open(req, id, fi);
}

void guard_create(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	if (!refused(req, parent))
		handle_create(req, parent, name, mode, fi);
}

/* Who may get in is not decided here: that a view can be written to by nobody is. */
void guard_access(fuse_req_t req, fuse_ino_t id, int mask)
{
	if (!(mask & W_OK) || !refused(req, id))
		fs_reply(req, 0);
}

void guard_setxattr(
	fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size, int flags)
{
	if (!refused(req, id))
		xattr_set(req, id, name, value, size, flags);
}

void guard_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	if (!refused(req, id))
		xattr_remove(req, id, name);
}
