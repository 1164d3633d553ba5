/*
 * The mount's state: what the kernel knows of (nodes), what is open (files, handles), and who
 * guards it. One mutex, fs->lock, guards every field below that does not say otherwise; it is never
 * held across a call to the store, to the kernel or to libfuse.
 *
 * A NODE is what the kernel holds a reference to; its address is the node id. It keeps no
 * attributes: those are read from the store, or from the open FILE while that is newer. A thread's
 * nodes die with it at the deadline; a revived thread gets new ones, so that nothing cached
 * outlives it.
 */
#pragma once

#include "backend.h"
#include "deadlines.h"
#include "expired_names.h"
#include "metrics.h"
#include "mount.h"
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum node_kind {
	NODE_ROOT,
	NODE_THREAD,
	NODE_FILE, /* a turn or an attachment */
	NODE_DOC, /* thread.json */
	NODE_STREAM, /* @role; one node a lookup */
	NODE_TRANSCRIPT, /* @transcript.md, @transcript.jsonl */
	NODE_CONTROL_DIR, /* .turnfs */
	NODE_CONTROL, /* a file in it */
	NODE_VIEW, /* a directory in it whose entries are computed: view.h */
	NODE_VIEW_DIR, /* a folder in one */
	NODE_VIEW_FILE, /* a computed file in one */
	NODE_BACKUP, /* a file of a thread in .turnfs/backup, thread.json too */
	NODE_ANNOUNCED, /* stands for a thread that is gone while that is announced */
};

/* Where in the tree a thread is seen: a view's threads and nodes are its own, and read-only. */
enum thread_view {
	THREAD_VIEW_LIVE, /* in the root */
	THREAD_VIEW_EXPIRED, /* in .turnfs/expired: while it is in grace */
	THREAD_VIEW_BACKUP, /* in .turnfs/backup */
};

struct fs;
struct thread;
struct view;
struct dir;

/*
 * Something to be done away from the request handlers (work.h): commit, invalidate, reply. Embed it
 * in a struct of your own, which `run` frees.
 */
struct work {
	void (*run)(struct fs *fs, struct work *work);
	struct work *next;
};

struct node {
	enum node_kind kind;
	uint64_t nlookup; /* references the kernel holds; the node ends when it and pins are 0 */
	unsigned pins; /* handles and work of ours that hold it */
	uint64_t ino; /* as in the store; st_ino */
	uint64_t key; /* in fs->files or fs->threads: node_key() */
	struct thread *thread; /* pinned; NULL outside of threads */
	char *name; /* the file's present name; STREAM: the role; CONTROL: its name */
	struct file *file; /* FILE: while it is open, uncommitted or being changed */
	struct node *prev, *next; /* in thread->nodes while hashed, else in fs->others */
	char *turn; /* STREAM: name of the turn last committed through this node */
	/* FILE of a shared store: the revision that the kernel was told of; NONE: of none, ANY: of
	 * several */
	uint64_t told;
	const struct view *view; /* VIEW, VIEW_FILE */
	bool hashed; /* FILE: is in fs->files and in thread->nodes */
	bool unhashed; /* table.h */
	bool used; /* FILE: opened since the kernel was last asked to forget some: trim.h */
	UT_hash_handle hh;
};

/* A thread's name; former ones stay until the thread ends, for calls under way may point to them.
 */
struct thread_name {
	struct thread_name *former;
	char text[];
};

/* One life of a thread as the kernel knows it. Its node is embedded; pins come from other nodes. */
struct thread {
	struct node node;
	struct thread_name *id;
	enum thread_view view;
	uint64_t gen;
	/* What the store said last; written under fs->lock, read without it. */
	_Atomic uint64_t revision;
	_Atomic int64_t deadline_ms, ttl_ms;
	_Atomic uint32_t mode, uid, gid;
	_Atomic uint32_t doc_flags;
	atomic_bool
		doc_said; /* something was said in thread.json, or by attributes of the thread */
	atomic_bool dead; /* past its deadline or removed; not in fs->threads */
	atomic_bool expired; /* dead by its deadline */
	bool shortened; /* the kernel may hold names of it for longer than it lives */
	bool unhashed; /* table.h */
	struct node *nodes; /* its hashed file nodes */
	struct file *files; /* its open or uncommitted files, by `next` */
	struct node *doc; /* thread.json's node, if the kernel knows it */
	struct node *stream; /* of a stream that was closed: for one lookup to come */
	struct node *transcripts[2]; /* the same of @transcript.md and .jsonl */
	uint64_t doc_ino;
	struct doc_ours *doc_ours; /* shared store: how we changed the own keys; doc_lineage.c */
	uint64_t doc_hidden; /* revision of the thread at which thread.json was unlinked; 0 */
	int64_t mtime_set_ns; /* when utimens last set its mtime; 0 */
	uint32_t announced; /* shared store: watchers know of the turns up to this number */
	struct append_call *appends; /* under way: append.c */
	uint64_t appends_begun, appends_ended;
	struct backup_copy *copy; /* in .turnfs/backup: what it shows; backup_copy.h */
	bool copying; /* one is being taken */
	struct {
		uint64_t revision;
		uint64_t size;
	} doc_size;
	UT_hash_handle hh;
};

/* A file's content and attributes while it is open or newer than the store's. */
struct file {
	struct node *node; /* which pins us: node->file == this */
	struct file *next;
	unsigned handles;
	unsigned users; /* calls under way that need it to stay */
	bool busy; /* one change of it at a time goes to the store; waiters on fs->idle */
	bool draft; /* not in the store yet; info.revision is NONE */
	bool unlinked; /* nothing of it is committed any more */
	bool kept; /* loaded at its thread's deadline because it was open */
	bool stale; /* others have changed it; only its descriptors know it: version.h */
	bool leaving; /* being removed or replaced in the store; who opens it waits for the outcome
		       */
	bool claimed; /* its name is claimed in the store */
	bool emptied; /* made or cut to nothing and not written since: commits at last release */
	unsigned refusals; /* when that happened: refusals_count() */
	bool mapped; /* written through a mapping: any writer's flush commits */
	bool loaded; /* content is the file's */
	bool known; /* info is the file's */
	bool replaces; /* DRAFT: renamed over a stored file, which its commit takes away */
	unsigned writers; /* handles that wrote and have not committed */
	uint64_t changes; /* counts writes, to see whether a commit was overtaken */
	int64_t made_ns;
	struct blob *content;
	struct file_info info; /* name unused; info.meta owned */
};

/* What fi->fh points to for files and all that is read or written like one. */
struct handle {
	struct work release; /* its last: needs no memory then, and so cannot be refused */
	fuse_req_t released; /* the request for that */
	struct handle *prev, *next; /* in fs->handles */
	struct node *node; /* pinned */
	enum node_kind kind; /* the node's at open; a rename over thread.json changes the node's */
	uint32_t uid, gid; /* of the one who opened it */
	int flags; /* of open() */
	int error; /* a refused write's or commit's -errno: sticks */
	bool wrote; /* and has not committed since */
	bool append_only; /* a stream, or a document opened so: offsets are ignored */
	struct doc_seen *seen; /* DOC in a shared store: how it was when this was opened; doc.h */
	bool timed; /* DOC: utimens came after the last write, and before its commit: */
	int64_t mtime_ns; /* what it asked for */
	struct blob *text; /* DOC, STREAM, TRANSCRIPT, CONTROL: this handle's own content */
	struct blob
		*shown; /* TRANSCRIPT opened for both: what is read, `text` being what is written */
	size_t committed; /* STREAM, TRANSCRIPT: bytes of text that are in turns already */
	uint32_t number; /* STREAM: of the turn it has become, 0: none yet */
	uint64_t ino; /* STREAM: that turn's */
	uint64_t revision; /* STREAM: as it was committed last */
	size_t counted; /* bytes of ours in fs->in_flight */
};

/* Threads that work through a queue: work.h. fs->lock guards it. */
struct work_pool {
	struct fs *fs;
	struct work *first, **last;
	unsigned threads, waiting, queued;
	bool stopping;
	pthread_cond_t more, done;
};
struct warned;

struct fs {
	struct store *store;
	const struct mount_options *options;
	struct fuse_session *session;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* some file is no longer busy */

	struct node root;
	struct root_info root_info;
	struct node *control[16]; /* .turnfs and its files; made at start, never end */
	struct thread *threads; /* by key; of live ones that is gen */
	struct node *files; /* by key; of live threads' that is ino */
	struct node *others; /* every node that is in neither table */
	struct handle *handles; /* all that are open: an umount may leave some unreleased */
	struct dir *dirs; /* the same for directories: dir.c */
	size_t in_flight; /* bytes written and not committed */

	uint64_t ino_next, ino_end; /* reserved in the store, not yet given */
	int64_t time_last; /* the last time given by fs_now_ns() */

	struct deadlines deadlines; /* of every live thread, at least the one it has now */
	atomic_bool deadlines_loaded; /* every thread of the store is in the heap */
	atomic_uint root_changes; /* by others, that the kernel was told of: dir.c */
	int64_t root_expiry_ms; /* the latest deadline that has passed: the root's mtime follows */
	int expiry_event, expiry_timer; /* eventfd, timerfd */
	bool expiry_started;
	struct lineage *lineage; /* shared store: lineage.c */
	pthread_t expiry_thread;
	struct { /* guarded by nothing but that only the expiry thread uses it */
		bool wanted;
		int64_t asked_ms;
		atomic_bool running;
		atomic_uint
			keeping; /* threads whose open files are being loaded: nothing is erased */
	} purge;
	struct { /* heap and said by fs->lock, the rest is the expiry thread's */
		struct deadlines heap;
		struct warned *said;
		size_t lines, unsaid;
		int64_t counted_ms;
	} warnings;

	struct {
		uint64_t gen; /* the live thread that changed last, 0: not known */
		int64_t mtime_ns;
	} latest;

	struct { /* what the threads in grace are called: as of `names_changes`, before until_ms */
		struct expired_names names;
		bool known;
		uint64_t changes, names_changes;
		int64_t until_ms, used_ms;
	} expired;

	struct { /* .turnfs/backup: backup_copy.c */
		struct backup_copy *copies; /* idle longest first */
		struct backup_change *changes; /* under way to the store */
		uint64_t numbers; /* given to changes */
		pthread_cond_t moved; /* a change has ended, a copy is taken */
		size_t bytes, kept; /* of copies, of contents in them that have changed since */
		struct stat root; /* the view's, as shown last */
		bool said_full;
		atomic_bool tidying;
	} backup;

	char announced[STORE_NAME_MAX + 1]; /* the thread that the announcer is about to remove */
	struct ledger *ledger; /* ledger.c */
	struct metrics metrics;
	struct { /* threads near their deadline, as last counted: health.c */
		atomic_llong count, counted_ms;
		atomic_bool counting;
	} expiring;
	struct { /* threads came or went elsewhere: health.c */
		atomic_bool wanted;
		int64_t next_ms; /* remote.c's thread's own */
	} recount;
	struct { /* set at start, the same from then on */
		const char *mountpoint;
		int64_t ms, wall_ns; /* by the store's clock, by the machine's */
		uint64_t threads, turns; /* found in the store */
	} start;

	atomic_bool ending; /* the session is over; set before the last commits */
	struct { /* the transcript that was built last */
		uint64_t gen, revision;
		bool jsonl;
		struct blob *text;
	} transcript;
	uint64_t special_ino; /* the last st_ino given to an `@` name */

	atomic_int store_error; /* the last commit's failure, -errno, until one succeeds */
	int64_t probed_ms;

	/*
	 * Two pools, for one may wait for the other: what changes names is waited for by the kernel
	 * with a directory locked, and what commits may have to tell the kernel of that directory.
	 */
	struct work_pool commits, names;

	struct { /* trim.c */
		struct work work;
		bool running;
		size_t from; /* how many known files are too many */
	} trim;

	void (*ready)(void *arg);
	void *ready_arg;
};

enum {
	WORKERS = 16, /* commits that can wait for the disk together */
	WORKERS_SERVER = 64, /* for a server, which may be away */
	INO_BLOCK = 1024, /* inode numbers reserved at a time */
	TIMEOUT_SLACK_MS = 20 /* the kernel rounds a timeout up by two jiffies */
};

#define TIMEOUT_MAX_S 86400.0
/* st_ino of what is computed; far above what a store gives. Bit 62 is for the backup view. */
#define INO_CONTROL (UINT64_C(1) << 60) /* .turnfs and what is in it */
#define INO_STREAM (INO_CONTROL | UINT64_C(1) << 59)
#define INO_TRANSCRIPT (INO_CONTROL | UINT64_C(1) << 58)
#define INO_DOC (UINT64_C(1) << 57)

/*
 * thread.json's, from the one the store gave it: behind all files', so that cp, which goes by inode
 * numbers, copies it last, when no turn that comes moves its time any more.
 */
static inline uint64_t ino_of_doc(uint64_t ino)
{
	return ino < INO_DOC ? ino | INO_DOC : ino;
}
