/* The mount itself: the operations' table, the session with the kernel, beginning and end. */
#include "mount.h"

#include "announce.h"
#include "attr.h"
#include "backup_store.h"
#include "control.h"
#include "counted.h"
#include "dir.h"
#include "drain.h"
#include "entry.h"
#include "expired.h"
#include "expiry.h"
#include "file.h"
#include "guard.h"
#include "handle.h"
#include "ledger.h"
#include "lineage.h"
#include "patience.h"
#include "refusals.h"
#include "remote.h"
#include "trim.h"
#include "work.h"
#include "xattr.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/*
 * How many requests are served at a time, at most; they rarely wait, commits go to the pools. With
 * a server each waits for it, for long when it is away: then nobody's shall wait for another's.
 */
enum { SESSION_THREADS = 16, SESSION_THREADS_SERVER = 128, SESSION_IDLE_SERVER = 8 };

/*
 * One a core: an idle thread more is one that the kernel may wake on another, sleeping core, which
 * costs more than the request itself.
 */
static unsigned session_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores < 2 ? 2 : cores > SESSION_THREADS ? SESSION_THREADS : (unsigned)cores;
}

static void mount_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fs *fs = userdata;
	unsigned wanted = FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPLICIT_INVAL_DATA |
			  FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
			  FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ;
	/* We tell the kernel exactly what changed; writes are never acknowledged from its cache. */
	conn->want &= ~(unsigned)(FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_WRITEBACK_CACHE |
				  FUSE_CAP_HANDLE_KILLPRIV);
	conn->want |= wanted & conn->capable;
	conn->time_gran = 1;
	if (fs->ready)
		fs->ready(fs->ready_arg);
}

static void mount_statfs(fuse_req_t req, fuse_ino_t id)
{
	struct store_usage usage;
	int rc = store_usage(fs_of(req)->store, &usage);
	if (rc < 0) {
		fs_reply(req, rc);
		return;
	}
	struct statvfs st = {
		.f_bsize = 4096,
		.f_frsize = 4096,
		.f_blocks = usage.bytes_total / 4096,
		.f_bfree = usage.bytes_free / 4096,
		.f_bavail = usage.bytes_free / 4096,
		.f_files = usage.threads + usage.files + usage.bytes_free / 4096,
		.f_ffree = usage.bytes_free / 4096,
		.f_favail = usage.bytes_free / 4096,
		.f_namemax = STORE_NAME_MAX,
	};
	fuse_reply_statfs(req, &st);
}

static const struct fuse_lowlevel_ops operations = {
	.init = mount_init,
	.lookup = announce_lookup,
	.forget = entry_forget,
	.forget_multi = entry_forget_multi,
	.getattr = attr_get_handler,
	.setattr = guard_setattr,
	.mknod = announce_mknod,
	.mkdir = guard_mkdir,
	.unlink = guard_unlink,
	.rmdir = announce_rmdir,
	.symlink = guard_symlink,
	.rename = guard_rename,
	.link = guard_link,
	.open = guard_open,
	.create = guard_create,
	.read = handle_read,
	.write = handle_write,
	.flush = handle_flush,
	.release = handle_release,
	.fsync = handle_fsync,
	.opendir = dir_open,
	.readdir = dir_read,
	.readdirplus = dir_read_plus,
	.releasedir = dir_release,
	.fsyncdir = dir_sync,
	.statfs = mount_statfs,
	.access = guard_access,
	.setxattr = guard_setxattr,
	.getxattr = xattr_get,
	.listxattr = xattr_list,
	.removexattr = guard_removexattr,
};

/* The kernel's and libfuse's options; the store's name is escaped, it may have commas. */
static int session_arguments(const struct mount_options *o, struct fuse_args *args)
{
	char *options = NULL;
	CLEAN_BLOB struct blob *name = blob_new("fsname=", 7);
	int rc = name ? blob_write(&name, 7, o->source, strlen(o->source)) : -ENOMEM;
	if (!rc && (fuse_opt_add_opt(&options, "subtype=turnfs,nosuid,nodev,noatime") ||
			   fuse_opt_add_opt_escaped(&options, blob_data(name)) ||
			   (o->read_only && fuse_opt_add_opt(&options, "ro")) ||
			   (o->no_exec && fuse_opt_add_opt(&options, "noexec")) ||
			   (o->allow_other && fuse_opt_add_opt(&options, "allow_other")) ||
			   (o->allow_root && fuse_opt_add_opt(&options, "allow_root")) ||
			   (o->debug && fuse_opt_add_opt(&options, "debug")) ||
			   ((o->allow_other || o->allow_root) &&
				   fuse_opt_add_opt(&options, "default_permissions")) ||
			   fuse_opt_add_arg(args, "turnfs") || fuse_opt_add_arg(args, "-o") ||
			   fuse_opt_add_arg(args, options)))
		rc = -ENOMEM;
	free(options);
	return rc;
}

/* The root as the store keeps it; a new store's gets the one who mounts, and now. */
static int root_init(struct fs *fs)
{
	fs->root.kind = NODE_ROOT;
	fs->root.ino = FUSE_ROOT_ID;
	int rc = store_root_get(fs->store, &fs->root_info);
	if (rc < 0 || fs->root_info.mode)
		return rc;
	int64_t now = fs_now_ns(fs);
	fs->root_info = (struct root_info){
		.mode = 0700, .uid = getuid(), .gid = getgid(), .mtime_ns = now, .ctime_ns = now};
	return fs->options->read_only ? 0 : store_root_set(fs->store, &fs->root_info);
}

static int serve(struct fs *fs)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1);
	unsigned threads = session_threads();
	bool server = fs->store->ops->shared;
	unsigned idle = server && threads < SESSION_IDLE_SERVER ? SESSION_IDLE_SERVER : threads;
	fuse_loop_cfg_set_max_threads(config, server ? SESSION_THREADS_SERVER : threads);
	fuse_loop_cfg_set_idle_threads(config, idle);
	refusals_watch();
	int rc = fuse_session_loop_mt(fs->session, config);
	fuse_loop_cfg_destroy(config);
	/* A signal's number, and a connection that an umount cut, are ordinary ends. */
	return rc < 0 && rc != -ECONNABORTED && rc != -ENODEV ? rc : 0;
}

static int fs_start(struct fs *fs)
{
	pthread_mutex_init(&fs->lock, NULL);
	pthread_cond_init(&fs->idle, NULL);
	trim_init(fs);
	pthread_cond_init(&fs->backup.moved, NULL);
	fs->start.ms = store_now_ms(fs->store);
	fs->start.wall_ns = clock_wall_ns();
	int rc = expiry_init(fs);
	if (!rc)
		rc = lineage_init(fs);
	if (!rc)
		rc = patience_init(fs);
	if (!rc)
		rc = backup_store_init(fs);
	if (!rc)
		rc = ledger_init(fs);
	if (!rc)
		rc = root_init(fs);
	if (!rc)
		rc = control_init(fs);
	if (!rc)
		rc = work_init(fs);
	if (!rc)
		rc = remote_start(fs);
	if (!rc)
		rc = expiry_start(fs);
	return rc;
}

/* Everything that was accepted is committed before the mountpoint goes. */
static void fs_stop(struct fs *fs)
{
	atomic_store(&fs->ending, true);
	remote_stop(fs);
	expiry_stop(fs);
	work_done(fs);
	file_commit_all(fs);
	ledger_stop(fs);
}

static void fs_free(struct fs *fs)
{
	handle_free_all(fs);
	dir_free_all(fs);
	node_free_all(fs);
	control_done(fs);
	expired_done(fs);
	ledger_done(fs);
	blob_unref(fs->transcript.text);
	backup_store_done(fs);
	patience_done(fs);
	lineage_done(fs);
	pthread_cond_destroy(&fs->backup.moved);
	pthread_cond_destroy(&fs->idle);
	pthread_mutex_destroy(&fs->lock);
}

int mount_serve(struct store *store, const struct mount_options *options, const char *mountpoint,
	void (*ready)(void *arg), void *arg, struct errtext *error)
{
	struct fs fs = {.store = store, .options = options, .ready = ready, .ready_arg = arg};
	const struct fuse_lowlevel_ops all = counted(&operations);
	fs.start.mountpoint = mountpoint;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int rc = session_arguments(options, &args);
	if (!rc) {
		fs.session = fuse_session_new(&args, &all, sizeof all, &fs);
		rc = fs.session ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	if (rc < 0)
		return errtext_set(error, rc, "FUSE does not accept the mount options");
	if (fuse_set_signal_handlers(fs.session) < 0 ||
		fuse_session_mount(fs.session, mountpoint) < 0) {
		rc = errtext_set(error, -EIO,
			"cannot mount on %s: see the line above; is /dev/fuse there, and "
			"fusermount3 installed?",
			mountpoint);
		goto out;
	}
	announce_mounted(&fs, mountpoint);
	struct drain drain;
	drain_start(&drain, fs.session, &fs.ending);
	rc = fs_start(&fs);
	if (!rc)
		rc = serve(&fs);
	else
		errtext_set(error, rc, "the store cannot be read: %s", strerror(-rc));
	fs_stop(&fs);
	drain_stop(&drain);
	fuse_session_unmount(fs.session);
	fs_free(&fs);
out:
	fuse_remove_signal_handlers(fs.session);
	fuse_session_destroy(fs.session);
	return rc;
}
