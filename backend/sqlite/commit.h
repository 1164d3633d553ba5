/* The committer: one writing connection, and many callers whose changes share one fdatasync. */
#pragma once

#include "conn.h"
#include "guard.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

struct sqlite_store;

/* How soon the -wal must be overwritten because text was erased. */
enum scrub { SCRUB_NONE, SCRUB_LATER, SCRUB_NOW };

/* A step that is being made; handed to its body. */
struct txn {
	struct sqlite_store *store;
	struct conn *conn;
	int64_t now_ms;
	/* What the body says of itself; counted when it has been committed. */
	int64_t threads, files; /* more of them, or fewer */
	int64_t due_ms; /* the earliest deadline it set */
	enum scrub scrub;
};

struct request {
	/* Makes the change; 0 or -errno (then nothing of it happens). May be called again. */
	int (*body)(struct txn *txn, void *arg);
	void *arg;
	bool durable;
	bool gate; /* run alone, outside a transaction */
	const char *id; /* for the log */
	/* the committer's own */
	struct txn txn;
	int rc;
	bool lead; /* woken to lead, not because it is done */
	sem_t wake;
	struct request *next;
};

struct committer {
	pthread_mutex_t lock;
	/* under `lock` */
	struct request *head, **tail;
	int queued, last_group;
	bool leading;
	/* the leader's, handed on under `lock` */
	struct conn *conn;
	int sync_mode; /* what PRAGMA synchronous is set to: 1 or 2 */
	struct guard *guard; /* of the -wal: broken when a sync of it failed; see wal_heal() */
	int wal_fd; /* of our own; SQLite takes no locks on the -wal */
	int db_fd; /* of our own too; to close it ends SQLite's locks, so its connections close
		      first */
	unsigned wal_frames; /* committed frames in the -wal */
	unsigned char wal_salt[8]; /* of the -wal those frames are in */
};

void committer_init(struct sqlite_store *s);

/* Begins to follow the connection's commits; wal_open() must have been called. */
void committer_start(struct sqlite_store *s);
void committer_done(struct sqlite_store *s);

/*
 * Puts another connection in place of one that cannot end its transaction. The -wal is then read
 * back and verified as after a failed sync. 0, or -errno: the old one stays.
 */
int committer_reopen(struct sqlite_store *s);

/*
 * group.c: commits the requests of a list, by the leader. Sets the rc of each. One by one if they
 * fail together in a way that need not be the fault of all.
 */
void group_run(struct sqlite_store *s, struct request *group);

/* Runs the request's body as one step, alone or in company. What it returned, or -errno. */
int commit_run(struct sqlite_store *s, struct request *request);

/* status.c: what health says after a commit that failed. */
void status_failed(struct sqlite_store *s, int rc);

/* A shorthand for the common form. */
int commit_body(struct sqlite_store *s, int (*body)(struct txn *txn, void *arg), void *arg,
	bool durable, const char *id);

/* wal.c: the file beside the store that commits are written to. */
int wal_guard(struct sqlite_store *s); /* before the first statement */
int wal_open(struct sqlite_store *s);
void wal_grow(struct sqlite_store *s);
void wal_committed(struct sqlite_store *s, unsigned frames);

/*
 * By the leader: moves all frames into the store's file, synced, so that the next commit starts the
 * -wal over. SQLite's code; SQLITE_BUSY: after `readers_ms` some still read from it.
 */
int wal_empty(struct sqlite_store *s, int readers_ms);

/* wal_heal.c: what is in the -wal after a sync that failed, or that may have. 0 or -errno. */
int wal_heal(struct sqlite_store *s);
int wal_recover(struct sqlite_store *s); /* when it is opened, before the first commit */
/*
 * wal.c, for a -wal of which nothing is needed any more: alone, after a TRUNCATE checkpoint.
 * wal_scrub() overwrites it and leaves the last sync to the caller; wal_end() leaves it empty. 0 or
 * -errno.
 */
int wal_scrub(struct sqlite_store *s);
int wal_end(struct sqlite_store *s);
