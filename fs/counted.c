/* Requests counted for .turnfs/metrics: a table of operations that stands before the real one. */
#include "counted.h"

#include "fs.h"
#include "interrupt.h"

/* Set once, before any request. */
static struct fuse_lowlevel_ops real;

/* counted_OP(req, …): counts OP and makes it. */
#define COUNTED(op, OP, parameters, arguments)                                                     \
	static void counted_##op parameters                                                        \
	{                                                                                          \
		metric_operation(&fs_of(req)->metrics, OPERATION_##OP);                            \
		interrupt_begin(req);                                                              \
		real.op arguments;                                                                 \
		interrupt_end();                                                                   \
	}

COUNTED(lookup, LOOKUP, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(getattr, GETATTR, (fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi), (req, id, fi))
COUNTED(setattr, SETATTR,
	(fuse_req_t req, fuse_ino_t id, struct stat *attr, int to_set, struct fuse_file_info *fi),
	(req, id, attr, to_set, fi))
COUNTED(mknod, MKNOD,
	(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev),
	(req, parent, name, mode, rdev))
COUNTED(mkdir, MKDIR, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode),
	(req, parent, name, mode))
COUNTED(unlink, UNLINK, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(rmdir, RMDIR, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
COUNTED(rename, RENAME,
	(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent, const char *to,
		unsigned flags),
	(req, parent, name, to_parent, to, flags))
COUNTED(open, OPEN, (fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi), (req, id, fi))
COUNTED(create, CREATE,
	(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		struct fuse_file_info *fi),
	(req, parent, name, mode, fi))
COUNTED(write, WRITE,
	(fuse_req_t req, fuse_ino_t id, const char *data, size_t size, off_t offset,
		struct fuse_file_info *fi),
	(req, id, data, size, offset, fi))
COUNTED(flush, FLUSH, (fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi), (req, id, fi))
COUNTED(release, RELEASE, (fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi), (req, id, fi))
COUNTED(fsync, FSYNC, (fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi),
	(req, id, datasync, fi))
COUNTED(opendir, OPENDIR, (fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi), (req, id, fi))
COUNTED(readdir, READDIR,
	(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi),
	(req, id, size, offset, fi))
COUNTED(readdirplus, READDIRPLUS,
	(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi),
	(req, id, size, offset, fi))
COUNTED(statfs, STATFS, (fuse_req_t req, fuse_ino_t id), (req, id))
COUNTED(setxattr, SETXATTR,
	(fuse_req_t req, fuse_ino_t id, const char *name, const char *value, size_t size,
		int flags),
	(req, id, name, value, size, flags))
COUNTED(getxattr, GETXATTR, (fuse_req_t req, fuse_ino_t id, const char *name, size_t size),
	(req, id, name, size))
COUNTED(listxattr, LISTXATTR, (fuse_req_t req, fuse_ino_t id, size_t size), (req, id, size))
COUNTED(removexattr, REMOVEXATTR, (fuse_req_t req, fuse_ino_t id, const char *name),
	(req, id, name))

static void counted_read(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	int64_t begun = metric_now_ns();
	metric_operation(&fs->metrics, OPERATION_READ);
	interrupt_begin(req);
	real.read(req, id, size, offset, fi);
	interrupt_end();
	metric_took(&fs->metrics.read, begun);
}

struct fuse_lowlevel_ops counted(const struct fuse_lowlevel_ops *operations)
{
	struct fuse_lowlevel_ops all = *operations;
	real = *operations;
	all.lookup = counted_lookup;
	all.getattr = counted_getattr;
	all.setattr = counted_setattr;
	all.mknod = counted_mknod;
	all.mkdir = counted_mkdir;
	all.unlink = counted_unlink;
	all.rmdir = counted_rmdir;
	all.rename = counted_rename;
	all.open = counted_open;
	all.create = counted_create;
	all.write = counted_write;
	all.flush = counted_flush;
	all.release = counted_release;
	all.fsync = counted_fsync;
	all.opendir = counted_opendir;
	all.readdir = counted_readdir;
	all.readdirplus = counted_readdirplus;
	all.statfs = counted_statfs;
	all.setxattr = counted_setxattr;
	all.getxattr = counted_getxattr;
	all.listxattr = counted_listxattr;
	all.removexattr = counted_removexattr;
	all.read = counted_read;
	return all;
}
