/* The local store's parts and what they share. One struct, each field with its lock. */
#pragma once

#include "backend.h"
#include "commit.h"
#include "conn.h"

#include <limits.h>
#include <pthread.h>

enum {
	READERS_MAX = 4,
	SESSIONS_MAX = 1024,
	LEDGER_MAX = 10000,
	DAMAGE_MAX = 1024, /* of which it is known that they were logged */
	NUMBERS_BLOCK = 4096, /* taken from the file at a time */
	WAL_GROW_BYTES = 8 << 20, /* the -wal is kept at least this long: see wal.c */
};

/* Connections for reading, made on demand. */
struct readers {
	pthread_mutex_t lock;
	pthread_cond_t returned;
	struct conn *idle; /* the fields below are under `lock` */
	int count;
};

/* When the store was open for writing before, and now (the last one). See purge.c. */
struct session {
	int64_t opened_ms, last_ms;
};

struct sqlite_store {
	struct store base;
	struct store_options options;
	struct clock *clock;
	char path[PATH_MAX];
	enum conn_kind reader_kind;
	bool writable;
	bool was_unclean; /* the session before did not end well */
	int lock_fd;

	struct committer committer;
	struct readers readers;

	/* What maintenance and check are asked to do; their threads wait on `wake`. */
	struct {
		pthread_mutex_t lock;
		pthread_cond_t wake;
		pthread_t maintain_thread, check_thread;
		bool maintaining, checking; /* the threads were started */
		/* under `lock` */
		bool stop;
		bool checkpoint;
		enum scrub scrub;
		char check_text[256];
	} background;

	/* store_reserve(): the rest of a block that the file says is taken. */
	struct {
		pthread_mutex_t lock;
		uint64_t next, limit; /* under `lock` */
	} numbers;

	/* Only the committer's leader touches these. */
	struct {
		uint64_t next, limit; /* revisions, from a block of their own */
		int64_t noted_ms; /* the last_ms that the session's row has */
		bool fresh; /* this transaction has noted one of these */
	} leader;

	/* What health, usage and purge ask. */
	struct {
		pthread_mutex_t lock;
		/* under `lock` */
		int error; /* -errno of the last commit if it failed */
		char problem[512];
		bool counted; /* threads and files are known */
		int64_t threads, files;
		int64_t last_commit_ms;
		int64_t look_ms; /* purge has nothing to do before, … */
		int64_t look_grace_ms; /* … if it is asked with this grace */
	} status;
	struct {
		pthread_mutex_t lock;
		/* under `lock` */
		uint64_t count;
		uint64_t known[DAMAGE_MAX]; /* checksums of what was logged */
	} damage;

	struct session sessions[SESSIONS_MAX]; /* of the past; constant once open */
	size_t session_count;
	int64_t session_opened_ms;
};

static inline struct sqlite_store *sqlite_store(struct store *store)
{
	return (struct sqlite_store *)store;
}

static inline bool thread_is_live(const struct thread_info *info, int64_t now_ms)
{
	return info->deadline_ms > now_ms;
}

/* damage.c: logs and counts a row that does not verify, once each. Returns -EIO. */
int damage_found(struct sqlite_store *s, const char *id, uint64_t gen, const char *name);
uint64_t damage_count(struct sqlite_store *s);

/* readers.c: a connection that sees one moment of the store until it is given back. 0 or -errno. */
int reader_get(struct sqlite_store *s, struct conn **ret);
void reader_put(struct sqlite_store *s, struct conn *conn);
void readers_close(struct sqlite_store *s);
void readers_done(struct sqlite_store *s);

/*
 * Looking rows up, on any connection. -ENOENT: there is none (a thread being erased counts as
 * none); -EIO: damaged, logged and counted.
 */
int thread_get(struct sqlite_store *s, struct conn *conn, uint64_t gen, struct thread_info *ret);
int thread_find_live(struct sqlite_store *s, struct conn *conn, const char *id, int64_t now_ms,
	struct thread_info *ret);

struct file_row;
int file_find(struct sqlite_store *s, struct conn *conn, const struct thread_info *thread,
	const char *name, struct file_row *ret);
/* How many turns have that number (one, unless a step is half made); *ret_ino: one of them. */
int file_find_turns(
	struct conn *conn, const struct thread_info *thread, uint32_t number, uint64_t *ret_ino);

/* meta.c: small values by key, each with its checksum. -ENOENT, -EIO if damaged. */
int meta_get(struct conn *conn, const char *key, void *ret, size_t size);
int meta_set(struct conn *conn, const char *key, const void *value, size_t size);

/* number.c */
int numbers_load(struct sqlite_store *s, struct conn *conn);
/* The first of `count` revisions in a row, in the body of a step. */
int revision_take(struct txn *txn, size_t count, uint64_t *ret_first);

/* session.c */
int sessions_load(struct sqlite_store *s, struct conn *conn);
int session_write(struct sqlite_store *s, struct conn *conn, int64_t now_ms);
int session_note(struct sqlite_store *s, struct conn *conn, int64_t now_ms);
int session_trim(struct sqlite_store *s, struct conn *conn);
int64_t session_seen_ms(const struct sqlite_store *s, int64_t deadline_ms);

/* maintain.c */
int maintain_start(struct sqlite_store *s);
void maintain_ask(struct sqlite_store *s, enum scrub scrub); /* NONE: a checkpoint only */
void background_stop(struct sqlite_store *s);

/* check.c */
int check_start(struct sqlite_store *s);

/* The operations of store_ops, each in the file of its concern. */
int sqlite_reserve(struct store *store, uint32_t count, uint64_t *ret_first);
int sqlite_root_get(struct store *store, struct root_info *ret);
int sqlite_root_set(struct store *store, const struct root_info *info);
int sqlite_thread_find(struct store *store, const char *id, struct thread_info *ret);
int sqlite_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret);
int sqlite_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret);
int sqlite_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret);
int sqlite_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret);
int sqlite_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret);
int sqlite_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision);
int sqlite_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret);
int sqlite_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret);
int sqlite_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret);
int sqlite_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info);
int sqlite_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret);
int sqlite_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to);
int sqlite_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first);
int sqlite_sync(struct store *store);
int sqlite_claim(struct store *store, struct thread_ref ref, const char *name);
void sqlite_unclaim(struct store *store, struct thread_ref ref, const char *name);
int sqlite_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged);
int sqlite_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count);
/* As part of a step: a line of the ledger; the two of a thread that came back. 0 or -errno. */
int ledger_say(struct txn *txn, enum ledger_cause cause, const struct thread_info *info,
	const char *id, const char *detail);
int ledger_back(struct txn *txn, const struct thread_info *was, const struct thread_info *now);
int sqlite_ledger_list(
	struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret);
int sqlite_usage(struct store *store, struct store_usage *ret);
int sqlite_health(struct store *store, bool probe, struct store_health *ret);
