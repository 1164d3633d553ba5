/*
 * What a store of conversations promises to the mount: the one interface between fs/ and the
 * stores.
 *
 * A store keeps threads; a thread keeps files by name, each with content, times, mode, metadata and
 * a revision. It knows nothing of FUSE, of JSON or of what a file means, except that a name of the
 * form NNNNNN-role.md is a turn (base/name.h) and that a number is used by one turn at a time.
 *
 * RULES FOR ALL OPERATIONS
 *  - Any operation may run on any thread, at the same time as any other.
 *  - They return 0 or a count, or -errno out of a closed set: ENOENT EEXIST ENOTEMPTY ESTALE EIO
 *    ENOSPC ENOMEM EMFILE EROFS EDQUOT EFBIG EACCES EPERM EINVAL ETIMEDOUT EXDEV.
 *    ret_ arguments are untouched on failure. The store has logged EIO, ENOSPC and the like by
 *    itself, once, with the thread; answers such as ENOENT, EEXIST, ESTALE it does not log.
 *  - What a ret_ argument hands out is the caller's and ends with the matching x_done().
 *  - Lists are pages ("after this one"); a page is consistent in itself, two pages need not be.
 *  - Times in *_ns are Unix time in nanoseconds, chosen by the caller. Deadlines, in *_ms of Unix
 *    time, are the store's own and follow the store's clock (store_now_ms).
 *  - Every operation that changes something is one step: all of it happens, or nothing. When it has
 *    returned 0 with STORE_DURABLE it survives what store_health() says it survives.
 *  - A read verifies what it reads (checksums, lengths, types); what does not verify is EIO.
 */
#pragma once

#include "base/blob.h"
#include "base/clock.h"
#include "base/errtext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STORE_NAME_MAX = 255, /* bytes of a thread's or file's name, without the NUL */
	STORE_TURN_MAX = 999999, /* the highest number of a turn */
};

#define STORE_TTL_NEVER (-1) /* ttl_ms: the thread never expires */
#define STORE_TTL_MAX_MS                                                                           \
	(INT64_C(200) * 365 * 24 * 3600 * 1000) /* deadlines fit ns and RFC 3339                   \
						 */
#define STORE_DEADLINE_NEVER INT64_MAX /* deadline_ms of such a thread */
#define STORE_REVISION_NONE UINT64_C(0) /* expect: nothing of that name may be there */
#define STORE_REVISION_ANY UINT64_MAX /* expect: whatever is there, or nothing */

struct store;

/* One life of one thread. A name may have had several lives; gen tells them apart for ever. */
struct thread_ref {
	const char *id;
	uint64_t gen;
};

struct thread_info {
	char id[STORE_NAME_MAX + 1];
	uint64_t gen; /* from store_reserve(), never 0; also the directory's inode number */
	uint64_t revision; /* moves with every change of the thread or of anything in it */
	uint32_t life; /* how often it was revived after its deadline */
	uint32_t last_turn; /* the highest turn number ever used, 0: none yet */
	uint32_t turns; /* turns that are there now */
	uint32_t files; /* turns and attachments that are there now */
	uint64_t bytes; /* their content */
	uint32_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	int64_t created_ns, mtime_ns, ctime_ns;
	int64_t ttl_ms; /* STORE_TTL_NEVER or > 0 */
	int64_t deadline_ms; /* last renewal + ttl_ms; STORE_DEADLINE_NEVER */
	struct { /* the thread's document: its own metadata, opaque to the store */
		uint64_t ino, revision;
		uint32_t flags; /* the caller's, kept as given */
		uint32_t mode, uid, gid;
		int64_t mtime_ns, ctime_ns;
	} doc;
};

struct file_info {
	char name[STORE_NAME_MAX + 1];
	uint64_t ino; /* from store_reserve(); kept through renames */
	uint64_t revision; /* unlike any other revision of any file of this store, never NONE or ANY
			    */
	uint64_t size;
	uint32_t mode; /* permission bits, 07777 */
	uint32_t uid, gid;
	int64_t mtime_ns, ctime_ns;
	struct blob *meta; /* its metadata, opaque (fs/ keeps a JSON object here); NULL: none */
};
void file_info_done(struct file_info *info);

struct thread_page {
	struct thread_info *items;
	size_t count;
	bool more; /* a further page may have something */
};
void thread_page_done(struct thread_page *page);

struct file_page {
	struct file_info *items;
	struct blob **contents; /* count of them if asked for, else NULL; a damaged one is NULL */
	size_t count;
	bool more;
};
void file_page_done(struct file_page *page);

enum thread_state {
	THREAD_LIVE, /* deadline in the future */
	THREAD_GRACE, /* past it and not yet erased */
};

/* Which of the fields below are to be set. */
enum {
	SET_MODE = 1 << 0,
	SET_OWNER = 1 << 1, /* uid and gid */
	SET_MTIME = 1 << 2,
	SET_META = 1 << 3,
	SET_CONTENT = 1 << 4,

	SET_CREATED = 1 << 8,
	SET_TTL = 1 << 9, /* together with STORE_RENEW if the deadline is to follow */
	SET_DOC = 1 << 10, /* doc.text and doc.flags; moves doc.revision */
	SET_DOC_MODE = 1 << 11,
	SET_DOC_OWNER = 1 << 12,
	SET_DOC_MTIME = 1 << 13,
};

enum change_kind {
	CHANGE_PUT, /* make the file, or set what `set` names of the one that is there */
	CHANGE_REMOVE, /* remove it */
	CHANGE_RENAME, /* give it another name, replacing what has that name; sets what `set` names
			*/
};

/*
 * One change of one file. `expect` is the revision the file must have (NONE: it must not exist,
 * else EEXIST; ANY: do not care; anything else: ESTALE if it is another one, or there is none).
 * A PUT that makes a file takes ino and all attributes from here, with or without `set`; its
 * content is empty if there is none. PUT keeps the inode number of a file that is there.
 */
struct change {
	enum change_kind kind;
	const char *name;
	uint64_t expect;
	const char *to; /* RENAME: the new name */
	uint64_t to_expect; /* RENAME: as expect, for what has the new name */
	unsigned set;
	uint64_t ino; /* in: of a file to be made; out: the file's, in a store that computes them */
	uint32_t mode, uid, gid;
	int64_t mtime_ns;
	struct blob *meta; /* borrowed; NULL with SET_META: drop it */
	struct blob *content; /* borrowed */
	uint64_t ret_revision; /* out: the file's new revision (PUT, RENAME) */
};

/* What changes of the thread itself in the same step. */
struct thread_change {
	unsigned set;
	int64_t time_ns; /* when all this happens: the ctime of the thread and of each file changed
			  */
	uint32_t mode, uid, gid;
	int64_t mtime_ns, created_ns, ttl_ms;
	struct {
		uint64_t expect; /* with SET_DOC: as in struct change, but ESTALE in any case */
		struct blob *text; /* borrowed; NULL: none */
		uint32_t flags, mode, uid, gid;
		int64_t mtime_ns;
	} doc;
};

enum {
	STORE_DURABLE = 1 << 0, /* return only when it would survive; else it may come later */
	STORE_RENEW = 1 << 1, /* deadline = now + ttl */
	STORE_REVIVE = 1 << 2, /* an expired thread comes back to life (life + 1, renewed); if its
				  id has been taken since, the change is made where it lies */
};

/* A turn to be appended; the store picks its number. */
struct turn_new {
	const char *role; /* name_role_valid() */
	uint64_t ino; /* in and out, as in struct change */
	uint32_t mode, uid, gid;
	int64_t mtime_ns;
	struct blob *meta; /* borrowed, may be NULL */
	struct blob *content; /* borrowed */
	uint64_t ret_revision;
};

/*
 * Turns of one thread that were stored and that another program has written over since, where a
 * store keeps threads in the form of a program that does so.
 */
struct lost_page {
	char id[STORE_NAME_MAX + 1];
	uint64_t gen;
	struct lost_turn {
		char name[STORE_NAME_MAX + 1]; /* as it was; unlike any other in the page */
		int64_t mtime_ns;
		struct blob *content;
	} * items;
	size_t count;
};
void lost_page_done(struct lost_page *page);

/* Modes, owner and times of the tree's root; all zero until set. */
struct root_info {
	uint32_t mode, uid, gid;
	int64_t mtime_ns, ctime_ns;
};

struct store_usage {
	uint64_t bytes_total, bytes_free, bytes_used; /* of the medium; used: by the store itself */
	uint64_t threads, files; /* in the store, expired ones included */
};

enum health_state { HEALTH_OK, HEALTH_DEGRADED, HEALTH_FAILED };

struct store_health {
	enum health_state state;
	int error; /* while FAILED: what a write would return, -errno; else 0 */
	char storage[512]; /* what and where, without any password: "SQLite store /home/…" */
	char durability[512]; /* what close() and fsync() promise, and the worst loss, in words */
	char problem[512]; /* empty, or what is wrong and what mends it */
	char check[256]; /* the last integrity check: "not needed", "running", its result */
	uint64_t damaged; /* rows that did not verify since the start */
};

enum ledger_cause {
	LEDGER_EXPIRED = 1,
	LEDGER_DELETED,
	LEDGER_RENAMED,
	LEDGER_RESTORED,
	LEDGER_PURGED,
	LEDGER_LOST,
	LEDGER_BEGAN, /* no thread's: the ledger is kept since then */
};

/*
 * A line of the ledger. What a step does to a thread's being there the store enters itself, in the
 * same step, by its own clock: that one was DELETED (turns: the highest number it ever used),
 * RENAMED (id: the former name, detail: the new one), RESTORED by a rename or a STORE_REVIVE (id:
 * the former name, detail: the one it has now; before it the line that it had expired, if nobody
 * has entered that yet), PURGED. A store that cannot do both in one step enters the line when the
 * change is made; then a kill between the two loses the line, never the change. What comes to pass
 * without a step (EXPIRED, LOST, BEGAN) is added by whoever sees it: store_ledger_add().
 */
struct ledger_entry {
	uint64_t seq; /* given by the store, ascending */
	int64_t time_ms; /* when it was entered, by the store's clock */
	char id[STORE_NAME_MAX + 1];
	uint64_t gen;
	enum ledger_cause cause;
	char detail[STORE_NAME_MAX + 1]; /* by cause: the new name, … */
	int64_t ttl_ms, deadline_ms;
	uint32_t turns;
};

/* The detail of a DELETED that made way for a rename. */
#define LEDGER_REPLACED "an empty one, replaced by a rename"

struct ledger_page {
	struct ledger_entry *items;
	size_t count;
	bool more;
};
void ledger_page_done(struct ledger_page *page);

enum notice_kind {
	NOTICE_THREAD, /* the thread changed in itself: ttl, document, attributes, or came or went
			*/
	NOTICE_FILE, /* a file of it changed, came or went */
	NOTICE_LOST, /* CHANGES_LOST: anything may have changed; drop every cache */
	NOTICE_DOWN, /* from now on nothing is told: nothing may be cached */
	NOTICE_UP, /* changes are told again; those until now were not: drop every cache */
	NOTICE_DATA_LOST, /* the store has lost a thread that it had (R5): for ledger and log */
};

/*
 * Something that others (never this handle of the store) changed. Names may be of what is gone. A
 * change of a file is a change of its thread too (times, counts, deadline): FILE alone says both.
 */
struct store_notice {
	enum notice_kind kind;
	const char *id; /* the thread's name now, or its last one; "" if not known */
	uint64_t gen; /* 0: of no thread, but of the root's own attributes */
	const char *name; /* FILE only; NULL: which files changed is not known, it may be all */
	const struct thread_info *info; /* DATA_LOST only: the thread as it was known last */
};

/* What only a server (Redis) uses; all zero: the defaults. */
struct store_server {
	const char *prefix; /* of every key; NULL: "turnfs:" */
	const char *layout; /* NULL: our own; else a chat server's: docs/chat-servers.md */
	const char *match; /* which keys a layout serves, a pattern of SCAN; NULL: all of its own */
	uint32_t max_turns; /* a chat server's own limit, shown and not enforced; 0: none */
	uint32_t replicas; /* a durable commit waits for so many */
	bool allow_eviction; /* serve a store that may evict what it was given */
};

struct store_options {
	bool read_only;
	bool create; /* make the store if it is not there */
	bool peek; /* read only, beside a mount that has it: no lock is taken */
	int timeout_ms; /* how long an operation may wait for a server, or for a lock at open */
	int64_t grace_ms; /* how long an expired thread is kept; servers erase by it themselves */
	struct clock *clock; /* NULL: the machine's, or the server's */
	struct store_server server;
	/* Called on a thread of the store's, without any lock held; must not call the store. */
	void (*on_notice)(void *arg, const struct store_notice *notice);
	void *arg;
};

struct store_ops {
	const char *name;
	bool volatile_store; /* a restart loses all: say so */
	bool shared; /* others may change it at the same time: notices come */
	void (*close)(struct store *store);
	int64_t (*now_ms)(struct store *store);
	int (*reserve)(struct store *store, uint32_t count, uint64_t *ret_first);
	int (*root_get)(struct store *store, struct root_info *ret);
	int (*root_set)(struct store *store, const struct root_info *info);

	int (*thread_find)(struct store *store, const char *id, struct thread_info *ret);
	int (*thread_stat)(struct store *store, struct thread_ref ref, struct thread_info *ret);
	int (*thread_list)(struct store *store, enum thread_state state, uint64_t after_gen,
		size_t limit, struct thread_page *ret);
	int (*thread_create)(struct store *store, const struct thread_info *info, unsigned flags,
		struct thread_info *ret);
	int (*thread_rename)(struct store *store, struct thread_ref ref, const char *to,
		bool replace, int64_t time_ns, struct thread_info *ret);
	int (*thread_remove)(struct store *store, struct thread_ref ref, int64_t time_ns,
		struct thread_info *ret);
	int (*doc_read)(struct store *store, struct thread_ref ref, struct blob **ret,
		uint64_t *ret_revision);

	int (*file_stat)(struct store *store, struct thread_ref ref, const char *name,
		struct file_info *ret);
	int (*turn_stat)(
		struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret);
	int (*file_list)(struct store *store, struct thread_ref ref, const char *after,
		size_t limit, bool contents, struct file_page *ret);
	int (*file_read)(struct store *store, struct thread_ref ref, const char *name,
		struct blob **ret, struct file_info *ret_info);
	int (*apply)(struct store *store, struct thread_ref ref, const struct thread_change *thread,
		struct change *changes, size_t count, unsigned flags, struct thread_info *ret);
	int (*move)(struct store *store, struct thread_ref from, struct thread_ref to,
		struct change *change, const struct thread_change *from_thread,
		const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
		struct thread_info *ret_to);
	int (*append)(struct store *store, struct thread_ref ref,
		const struct thread_change *thread, struct turn_new *turns, size_t count,
		unsigned flags, struct thread_info *ret, uint32_t *ret_first);
	int (*sync)(struct store *store);
	int (*claim)(struct store *store, struct thread_ref ref, const char *name);
	void (*unclaim)(struct store *store, struct thread_ref ref, const char *name);

	int (*purge)(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged);
	int (*ledger_add)(struct store *store, const struct ledger_entry *entries, size_t count);
	int (*ledger_list)(
		struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret);
	int (*lost_next)(struct store *store, uint64_t after_gen, struct lost_page *ret);
	int (*usage)(struct store *store, struct store_usage *ret);
	int (*health)(struct store *store, bool probe, struct store_health *ret);
	int (*check)(struct store *store,
		bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		uint64_t *ret_damaged, struct errtext *ret_text);
};

/* Every store's struct begins with this. */
struct store {
	const struct store_ops *ops;
};

/*
 * Opens the store that `where` names: a path or sqlite:PATH, memory:, redis://… . On failure
 * returns -errno and says in `error`, in one line, what happened and what to do; never a password.
 * EBUSY: another mount has it (its pid is in the text). EINVAL: `where` is not a store's name.
 */
int store_open(const char *where, const struct store_options *options, struct store **ret,
	struct errtext *error);

/* Closes it: what was acknowledged is durable, caches and locks are gone. Takes NULL. */
void store_close(struct store *store);

/* The store's clock, ms of Unix time. It does not jump when the machine's does. */
static inline int64_t store_now_ms(struct store *s)
{
	return s->ops->now_ms(s);
}

/* Reserves `count` numbers, from *ret_first on, that this store never gave and never gives again.
 */
static inline int store_reserve(struct store *s, uint32_t count, uint64_t *ret_first)
{
	return s->ops->reserve(s, count, ret_first);
}

static inline int store_root_get(struct store *s, struct root_info *ret)
{
	return s->ops->root_get(s, ret);
}

static inline int store_root_set(struct store *s, const struct root_info *info)
{
	return s->ops->root_set(s, info);
}

/* The live thread of that name. ENOENT: there is none, or it has expired. */
static inline int store_thread_find(struct store *s, const char *id, struct thread_info *ret)
{
	return s->ops->thread_find(s, id, ret);
}

/* That very life of a thread, live or in grace. ENOENT: gone. */
static inline int store_thread_stat(struct store *s, struct thread_ref ref, struct thread_info *ret)
{
	return s->ops->thread_stat(s, ref, ret);
}

/* Up to `limit` threads in order of gen, after `after_gen` (0: from the start). */
static inline int store_thread_list(struct store *s, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret)
{
	return s->ops->thread_list(s, state, after_gen, limit, ret);
}

/*
 * Makes a thread from id, gen, mode, uid, gid, created_ns, mtime_ns, ctime_ns, ttl_ms and doc of
 * `info`; its deadline is now + ttl_ms. EEXIST: a live one has the name (one in grace does not).
 */
static inline int store_thread_create(
	struct store *s, const struct thread_info *info, unsigned flags, struct thread_info *ret)
{
	return s->ops->thread_create(s, info, flags, ret);
}

/*
 * Gives the thread another name; all else stays, but for ctime. A live thread of that name is
 * replaced if it has no files and `replace` is true; else ENOTEMPTY, or EEXIST without `replace`.
 * An expired thread (in grace) is restored by this: life + 1, renewed with its ttl; to its
 * own name as well. Enters what it did in the ledger (struct ledger_entry).
 */
static inline int store_thread_rename(struct store *s, struct thread_ref ref, const char *to,
	bool replace, int64_t time_ns, struct thread_info *ret)
{
	return s->ops->thread_rename(s, ref, to, replace, time_ns, ret);
}

/*
 * Erases a live thread and enters that in the ledger; *ret (may be NULL): how it was. ENOTEMPTY: it
 * has files. ENOENT: no such, or expired.
 */
static inline int store_thread_remove(
	struct store *s, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	return s->ops->thread_remove(s, ref, time_ns, ret);
}

/* The thread's document: *ret is NULL if it was never set. */
static inline int store_doc_read(
	struct store *s, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision)
{
	return s->ops->doc_read(s, ref, ret, ret_revision);
}

static inline int store_file_stat(
	struct store *s, struct thread_ref ref, const char *name, struct file_info *ret)
{
	return s->ops->file_stat(s, ref, name, ret);
}

/* The turn of that number, whatever its role. */
static inline int store_turn_stat(
	struct store *s, struct thread_ref ref, uint32_t number, struct file_info *ret)
{
	return s->ops->turn_stat(s, ref, number, ret);
}

/*
 * Up to `limit` files in order of name (bytes), after `after` ("": from the start). A file whose
 * attributes do not verify is listed all the same, with revision STORE_REVISION_NONE: its name and
 * inode number are all that is known. (One whose content does not verify has its attributes.)
 */
static inline int store_file_list(struct store *s, struct thread_ref ref, const char *after,
	size_t limit, bool contents, struct file_page *ret)
{
	return s->ops->file_list(s, ref, after, limit, contents, ret);
}

/* A file whole, content and attributes of the same moment. */
static inline int store_file_read(struct store *s, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info)
{
	return s->ops->file_read(s, ref, name, ret, ret_info);
}

/*
 * The one way a file changes: all of `changes`, in order, and `thread` (may be NULL), or nothing.
 * ENOENT: the thread is gone, or has expired and STORE_REVIVE is not given, or a file to be
 * renamed is not there (REMOVE with ANY of what is not there succeeds). EEXIST: also when a turn
 * would share its number with another turn that the same step does not take away. A RENAME onto
 * its own name succeeds and sets what `set` names.
 * Sets ret_revision of each change and *ret to the thread as it is then.
 */
static inline int store_apply(struct store *s, struct thread_ref ref,
	const struct thread_change *thread, struct change *changes, size_t count, unsigned flags,
	struct thread_info *ret)
{
	return s->ops->apply(s, ref, thread, changes, count, flags, ret);
}

/* A RENAME into another live thread, in one step. EXDEV: this store cannot do that for these two.
 */
static inline int store_move(struct store *s, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	return s->ops->move(s, from, to, change, from_thread, to_thread, flags, ret_from, ret_to);
}

/*
 * Adds turns numbered last_turn + 1, + 2, … in the order given, named "%06u-%s.md"; *ret_first is
 * the first number. EDQUOT: it would pass STORE_TURN_MAX. Cost does not grow with the thread.
 */
static inline int store_append(struct store *s, struct thread_ref ref,
	const struct thread_change *thread, struct turn_new *turns, size_t count, unsigned flags,
	struct thread_info *ret, uint32_t *ret_first)
{
	return s->ops->append(s, ref, thread, turns, count, flags, ret, ret_first);
}

/* Makes durable what was done without STORE_DURABLE so far. A failure is final for that data. */
static inline int store_sync(struct store *s)
{
	return s->ops->sync(s);
}

/*
 * Claims a name for a file about to be made (O_EXCL): EEXIST if it is there or claimed by another
 * handle of the store. It shows to nobody and ends with store_unclaim(), or with the store's handle
 * (after at most 30 s where that cannot be seen). A PUT by the claimer with NONE succeeds.
 */
static inline int store_claim(struct store *s, struct thread_ref ref, const char *name)
{
	return s->ops->claim(s, ref, name);
}

static inline void store_unclaim(struct store *s, struct thread_ref ref, const char *name)
{
	s->ops->unclaim(s, ref, name);
}

/*
 * Erases up to `limit` files of threads whose grace is over: never sooner than grace_ms after the
 * deadline and after the first handle of the store that found it expired, and nothing while the
 * clock is earlier than the last commit. grace_ms 0: at once. *ret_purged: 0 when nothing is left.
 * Enters each thread that is gone then in the ledger itself, in the same step (LEDGER_PURGED).
 */
static inline int store_purge(struct store *s, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	return s->ops->purge(s, grace_ms, limit, ret_purged);
}

/*
 * Adds lines that no step of a thread enters, in one step, in this order; seq is ignored. That a
 * thread expired is not added if it has come back since (its deadline is a later one): that step
 * has entered it. The oldest lines are dropped beyond 10 000.
 */
static inline int store_ledger_add(
	struct store *s, const struct ledger_entry *entries, size_t count)
{
	return s->ops->ledger_add(s, entries, count);
}

static inline int store_ledger_list(
	struct store *s, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	return s->ops->ledger_list(s, after_seq, limit, ret);
}

/* The lost turns of the first live thread behind `after_gen` that has some. ENOENT: none has. */
static inline int store_lost_next(struct store *s, uint64_t after_gen, struct lost_page *ret)
{
	return s->ops->lost_next(s, after_gen, ret);
}

static inline int store_usage(struct store *s, struct store_usage *ret)
{
	return s->ops->usage(s, ret);
}

/* How the store is. With `probe` it tries a small durable commit if the last one failed. */
static inline int store_health(struct store *s, bool probe, struct store_health *ret)
{
	return s->ops->health(s, probe, ret);
}

/*
 * Verifies all that is stored. `progress` (may be NULL) is called now and then on the caller's
 * thread with rows done and in all; true from it stops the check. 0, or -EIO if anything is
 * damaged; either way `ret_text` says what was found.
 */
static inline int store_check(struct store *s,
	bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	uint64_t *ret_damaged, struct errtext *ret_text)
{
	return s->ops->check(s, progress, arg, ret_damaged, ret_text);
}
