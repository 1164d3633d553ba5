/* Telling the kernel that something it keeps is no longer so. */
#include "notify.h"

#include "base/log.h"

#include <string.h>

/* ENOENT: the kernel does not have it; EBADF, ENODEV, ENOTCONN: the mount is going. */
static void judge(const char *what, int rc)
{
	if (rc < 0 && rc != -ENOENT && rc != -EBADF && rc != -ENODEV && rc != -ENOTCONN)
		log_debug("the kernel refused to drop %s: error %d", what, -rc);
}

/* Nobody would answer what the kernel may have to wait for. */
static bool is_over(struct fs *fs)
{
	return fuse_session_exited(fs->session) || atomic_load(&fs->ending);
}

void notify_inode(struct fs *fs, const struct node *node, bool data)
{
	if (is_over(fs))
		return;
	judge("an inode",
		fuse_lowlevel_notify_inval_inode(fs->session, node_id(fs, node), data ? 0 : -1, 0));
}

void notify_growth(struct fs *fs, const struct node *node, uint64_t from)
{
	if (is_over(fs))
		return;
	judge("pages",
		fuse_lowlevel_notify_inval_inode(fs->session, node_id(fs, node), (off_t)from, 0));
}

void notify_entry(struct fs *fs, const struct node *parent, const char *name)
{
	if (is_over(fs))
		return;
	judge("a name", fuse_lowlevel_notify_inval_entry(
				fs->session, node_id(fs, parent), name, strlen(name)));
}
