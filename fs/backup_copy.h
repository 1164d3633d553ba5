/*
 * What .turnfs/backup shows of a thread: a copy of its attributes, its list of files and its
 * thread.json, taken when somebody first asks. Contents stay in the store; that of a file which is
 * about to change there is kept in the copy first (backup_store.c).
 *
 * WHAT IS PROMISED. To the process that looked a thread up, nothing of the thread moves from then
 * on: neither attributes nor the list of files nor contents, whatever is written, renamed, removed,
 * expired or erased meanwhile; as long as anything of it is open, or else it asks for something of
 * it at least every BACKUP_IDLE_MS. When nothing of it is open, another process's lookup, or this
 * one's opening the directory again after BACKUP_PAUSE_MS, shows the thread as it is then. A
 * descriptor goes on reading the text it was opened with. Not covered: two tools at once that both
 * keep nothing open (rsync, restic) share the newer copy; contents that changed and need more
 * memory than BACKUP_KEPT_MAX (such a file shows as it is now, which is logged); copies beyond
 * BACKUP_COPIES_MAX, of which those idle longest go; what others than this mount change in a shared
 * store.
 *
 * fs->lock guards all of it.
 */
#pragma once

#include "fs.h"

#include <jansson.h>
#include <sys/stat.h>

enum {
	BACKUP_IDLE_MS = 60000,
	BACKUP_PAUSE_MS = 1000,
	BACKUP_COPIES_MAX = 32 << 20, /* bytes of copies, beyond which those idle longest go */
	BACKUP_KEPT_MAX = 128 << 20, /* bytes of contents that have changed since */
};

struct backup_file {
	char *name;
	uint64_t ino, revision, size;
	uint32_t mode, uid, gid;
	int64_t mtime_ns, ctime_ns;
	struct blob *meta;
	struct blob *content; /* kept; NULL: it is in the store, or empty */
	bool kept;
};

struct backup_copy {
	struct backup_copy *prev, *next; /* in fs->backup.copies, idle longest first */
	struct thread *thread;
	struct thread_info info;
	struct backup_file *files; /* by name; the last is thread.json */
	size_t count;
	struct blob *own; /* the thread's own metadata, a JSON object */
	pid_t asker; /* a thread of the process that looked it up; 0: unknown */
	int64_t used_ms;
	size_t bytes;
	bool whole; /* all contents are kept: the store is about to erase them */
};

/*
 * Sees to it that the thread has a copy, and that it is fresh if it may be: `asker` looks the
 * thread up, or (`opens`) opens its directory. 0 or -errno. Takes fs->lock itself.
 */
int backup_copy_ask(struct fs *fs, struct thread *thread, pid_t asker, bool opens);

/* The copy, taken if there is none. 0 or -errno; locks fs->lock on success only. */
int backup_copy_lock(struct fs *fs, struct thread *thread, struct backup_copy **ret);

/* The file of that name in a copy, or NULL. fs->lock held. */
struct backup_file *backup_copy_file(const struct backup_copy *copy, const char *name);

/* What it reads as. 0 or -errno; -ENOENT: no such file. Takes fs->lock itself. */
int backup_copy_text(struct fs *fs, struct thread *thread, const char *name, struct blob **ret);

/* A copy of what was a live thread of that name, by whatever became of it since. fs->lock held. */
struct thread *backup_copy_named(struct fs *fs, const char *id);

/* The thread's node ends. fs->lock held. */
void backup_copy_free(struct fs *fs, struct thread *thread);

/* Once a second: when copies take too much memory the kernel is asked to forget idle ones. */
void backup_copy_tidy(struct fs *fs);

/* A change of one or two threads on its way to the store. */
struct backup_change {
	struct backup_change *prev, *next; /* in fs->backup.changes */
	uint64_t gens[2];
	uint64_t number; /* ascending */
};

/*
 * Before a change of these threads: waits for a copy that is being taken, and keeps the contents of
 * `names` (in the first and the second thread) that a copy covers. Takes fs->lock itself.
 */
void backup_change_begin(struct fs *fs, struct backup_change *change, const uint64_t gens[2],
	const char *const (*names)[2], size_t count);
void backup_change_end(struct fs *fs, struct backup_change *change);

/* Waits for the changes of that thread that have begun before. Takes fs->lock itself. */
void backup_change_settle(struct fs *fs, uint64_t gen);

/* Before erasing what is past its grace: keeps all contents of copies that this may concern. */
void backup_keep_expired(struct fs *fs, int64_t grace_ms);
