/* Announcements: what is told to the announcer, and what it is answered. */
#include "announce.h"

#include "entry.h"
#include "guard.h"
#include "notify.h"

#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static struct announcer *announcer_of(struct fs *fs)
{
	struct announcer *announcer = fs->options->announcer;
	return announcer && atomic_load(&announcer->pid) && !fs->ending ? announcer : NULL;
}

void announce_mounted(struct fs *fs, const char *mountpoint)
{
	struct announcer *announcer = announcer_of(fs);
	if (!announcer)
		return;
	/* Nobody serves the mount yet: what st_dev it has must be known without asking it. */
	struct statx st;
	int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st))
		announcer_tell(announcer, ANNOUNCEMENT_MOUNTED,
			makedev(st.stx_dev_major, st.stx_dev_minor), mountpoint);
	if (fd >= 0)
		close(fd);
}

void announce_expired(struct fs *fs, uint64_t gen)
{
	struct announcer *announcer = announcer_of(fs);
	struct thread_info info;
	if (announcer && !store_thread_stat(fs->store, (struct thread_ref){"", gen}, &info))
		announcer_tell(announcer, ANNOUNCEMENT_GONE, FUSE_ROOT_ID, info.id);
}

void announce_gone(struct fs *fs, const char *id)
{
	struct announcer *announcer = announcer_of(fs);
	if (announcer)
		announcer_tell(announcer, ANNOUNCEMENT_GONE, FUSE_ROOT_ID, id);
}

void announce_own(struct thread *thread, uint32_t first, uint32_t count)
{
	if (first == thread->announced + 1)
		thread->announced += count;
}

void announce_turn(struct fs *fs, struct thread *thread, const char *name)
{
	struct announcer *announcer = announcer_of(fs);
	char path[2 * STORE_NAME_MAX + 2];
	if (!announcer)
		return;
	fs_lock(fs);
	snprintf(path, sizeof path, "%s/%s", thread->id->text, name);
	fs_unlock(fs);
	/* Only a name that the kernel does not have can be made. */
	if (atomic_load(&announcer->counts->watched))
		notify_entry(fs, &thread->node, name);
	announcer_tell(announcer, ANNOUNCEMENT_TURN, thread->gen, path);
}

static bool is_announcers(fuse_req_t req)
{
	struct announcer *announcer = fs_of(req)->options->announcer;
	pid_t pid = announcer ? atomic_load(&announcer->pid) : 0;
	return pid && fuse_req_ctx(req)->pid == pid;
}

/* A directory to be removed, for a thread that is gone: of a node that nobody else finds. */
static void reply_gone(fuse_req_t req, const char *name)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param entry = {
		.generation = 1,
		.attr = {.st_mode = S_IFDIR | 0700, .st_nlink = 2},
	};
	entry.attr.st_uid = getuid();
	entry.attr.st_gid = getgid();
	fs_lock(fs);
	struct node *node =
		node_make(fs, NODE_ANNOUNCED, NULL, name, INO_CONTROL | ++fs->special_ino << 8);
	if (node) {
		node_known(node);
		snprintf(fs->announced, sizeof fs->announced, "%s", name);
		entry.ino = node_id(fs, node);
		entry.attr.st_ino = node->ino;
	}
	fs_unlock(fs);
	if (!node)
		fs_reply(req, -ENOMEM);
	else if (fuse_reply_entry(req, &entry) == -ENOENT)
		entry_unreplied(fs, node);
}

void announce_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct node *node;
	if (!is_announcers(req)) {
		entry_lookup(req, parent, name);
		return;
	}
	if (node_of(fs, parent)->kind != NODE_ROOT) {
		fs_reply(req, -ENOENT); /* the turn to be made */
		return;
	}
	int rc = entry_find_thread(fs, name, &node);
	if (!rc)
		entry_reply(req, node);
	else if (rc == -ENOENT)
		reply_gone(req, name);
	else
		fs_reply(req, rc);
}

void announce_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct fs *fs = fs_of(req);
	struct thread *thread;
	struct node *node = NULL;
	if (!is_announcers(req)) {
		guard_mknod(req, parent, name, mode, rdev);
		return;
	}
	int rc = fs_thread_of(fs, parent, &thread);
	if (!rc)
		rc = name[0] == '@' ? -ENOENT : entry_find(fs, thread, name, &node);
	if (rc < 0)
		fs_reply(req, rc);
	else
		entry_reply(req, node);
}

void announce_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	if (!is_announcers(req)) {
		guard_rmdir(req, parent, name);
		return;
	}
	fs_lock(fs);
	bool gone = node_of(fs, parent)->kind == NODE_ROOT && !strcmp(fs->announced, name);
	fs->announced[0] = '\0';
	fs_unlock(fs);
	fs_reply(req, gone ? 0 : -ENOENT); /* one of that name is there again */
}
