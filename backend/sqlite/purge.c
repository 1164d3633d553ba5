/*
 * Erasing threads whose grace is over, a few rows at a time. A thread is first marked, from when on
 * nobody sees it, then loses its files, then goes itself; a crash in between is gone on from.
 * There is no index on deadlines: all threads are looked through, but only when one may be due.
 */
#include "base/log.h"
#include "inside.h"
#include "row.h"
#include "step.h"

#include <errno.h>
#include <string.h>

enum {
	DUE_MAX = 256, /* threads found by one look */
	STEP_ROWS = 128, /* rows a transaction, so that others need not wait */
};

struct look {
	int64_t now_ms, grace_ms;
	int64_t next_ms; /* when the next one will be due */
	size_t count;
	uint64_t due[DUE_MAX];
};

/* When the thread may be erased: INT64_MAX for never. */
static int64_t due_ms(const struct sqlite_store *s, int64_t deadline_ms, int64_t grace_ms)
{
	int64_t seen, due;

	if (deadline_ms == STORE_DEADLINE_NEVER)
		return INT64_MAX;
	seen = grace_ms > 0 ? session_seen_ms(s, deadline_ms) : deadline_ms;
	return __builtin_add_overflow(seen, grace_ms, &due) ? INT64_MAX : due;
}

static void look_at(struct sqlite_store *s, struct look *look, sqlite3_stmt *stmt)
{
	struct thread_info info;
	uint32_t state;

	int rc = thread_row_read(stmt, &info, &state);

	if (rc == -ENOMEM)
		look->next_ms = look->now_ms; /* it is looked at again */
	if (rc < 0)
		return; /* what is damaged is kept: its deadline may be part of the damage */
	int64_t due = state == THREAD_ROW_ERASING ? INT64_MIN
						  : due_ms(s, info.deadline_ms, look->grace_ms);

	if (due > look->now_ms && due < look->next_ms)
		look->next_ms = due;
	if (due <= look->now_ms && look->count < DUE_MAX)
		look->due[look->count++] = info.gen;
}

static int look_through(struct sqlite_store *s, struct look *look)
{
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	{
		CLEAN_STMT sqlite3_stmt *stmt = NULL;

		rc = conn_stmt(conn, STMT_THREAD_LIST, &stmt);
		if (rc == 0)
			sqlite3_bind_int64(stmt, 1, 0);
		while (rc >= 0 && look->count < DUE_MAX && (rc = conn_step(conn, stmt, NULL)) > 0)
			look_at(s, look, stmt);
	}
	reader_put(s, conn);
	return rc < 0 ? rc : 0;
}

struct erase {
	uint64_t gen;
	int64_t grace_ms;
	size_t limit;
	size_t erased;
	bool gone;
};

/* The row as it is now: it may have been renewed since it was looked at. -ENOENT: leave it. */
static int erase_load(struct txn *txn, const struct erase *e, struct thread_info *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	uint32_t state;
	int rc = conn_stmt(txn->conn, STMT_THREAD_GET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)e->gen);
	rc = conn_step(txn->conn, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = thread_row_read(stmt, ret, &state);
	if (rc == 0 && state == THREAD_ROW_KEPT &&
		due_ms(txn->store, ret->deadline_ms, e->grace_ms) > txn->now_ms)
		return -ENOENT;
	return rc;
}

static int erase_run(struct txn *txn, enum stmt which, const struct thread_info *info, size_t limit)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, which, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	if (which == STMT_FILE_ERASE)
		sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit);
	rc = conn_run(txn->conn, stmt, info->id);
	return rc < 0 ? rc : sqlite3_changes(txn->conn->db);
}

static int erase_mark(struct txn *txn, const struct thread_info *info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, STMT_THREAD_SET, &stmt);

	if (rc < 0)
		return rc;
	rc = conn_error(txn->conn, thread_row_bind(stmt, info, THREAD_ROW_ERASING), info->id);
	return rc < 0 ? rc : conn_run(txn->conn, stmt, info->id);
}

static int erase_body(struct txn *txn, void *arg)
{
	struct erase *e = arg;
	struct thread_info info;
	int rc = erase_load(txn, e, &info);

	if (rc < 0)
		return rc;
	txn->scrub = SCRUB_NOW;
	rc = erase_run(txn, STMT_FILE_ERASE, &info, e->limit);
	if (rc < 0)
		return rc;
	e->erased = (size_t)rc;
	e->gone = e->erased < e->limit; /* so there were no more */
	txn->files -= rc;
	if (!e->gone)
		return erase_mark(txn, &info);
	rc = erase_run(txn, STMT_DOC_DROP, &info, 0);
	if (rc >= 0)
		rc = erase_run(txn, STMT_THREAD_DROP, &info, 0);
	if (rc >= 0)
		rc = ledger_say(txn, LEDGER_PURGED, &info, info.id, "");
	txn->threads--;
	e->erased++; /* a thread without files counts too: 0 means that nothing was left */
	return rc < 0 ? rc : 0;
}

static int erase_thread(
	struct sqlite_store *s, uint64_t gen, int64_t grace_ms, size_t limit, size_t *purged)
{
	struct erase e = {.gen = gen, .grace_ms = grace_ms};
	int rc = 0;

	while (rc == 0 && !e.gone && *purged < limit) {
		size_t left = limit - *purged;

		e.limit = left < STEP_ROWS ? left : STEP_ROWS;
		rc = commit_body(s, erase_body, &e, false, NULL);
		if (rc == 0)
			*purged += e.erased;
	}
	return rc == -ENOENT || rc == -EIO ? 0 : rc;
}

/* Whether a look is worth its while: something may be due, and the clock can be believed. */
static bool look_needed(struct sqlite_store *s, int64_t now_ms, int64_t grace_ms)
{
	pthread_mutex_lock(&s->status.lock);
	bool believed = grace_ms == 0 || now_ms >= s->status.last_commit_ms;
	bool maybe = grace_ms != s->status.look_grace_ms || now_ms >= s->status.look_ms;

	if (believed && maybe) {
		/* Commits while we look make it earlier again. */
		s->status.look_ms = INT64_MAX;
		s->status.look_grace_ms = grace_ms;
	}
	pthread_mutex_unlock(&s->status.lock);
	return believed && maybe;
}

static void look_again_at(struct sqlite_store *s, int64_t next_ms)
{
	pthread_mutex_lock(&s->status.lock);
	if (next_ms < s->status.look_ms)
		s->status.look_ms = next_ms;
	pthread_mutex_unlock(&s->status.lock);
}

int sqlite_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	struct sqlite_store *s = sqlite_store(store);
	struct look look = {
		.now_ms = clock_now_ms(s->clock),
		.grace_ms = grace_ms,
		.next_ms = INT64_MAX,
	};
	size_t purged = 0;

	if (!s->writable)
		return -EROFS;
	if (!look_needed(s, look.now_ms, grace_ms)) {
		*ret_purged = 0;
		return 0;
	}
	int rc = look_through(s, &look);

	for (size_t i = 0; rc == 0 && i < look.count && purged < limit; i++)
		rc = erase_thread(s, look.due[i], grace_ms, limit, &purged);
	/* Unless all was looked at and erased, there is more to do at once. */
	bool done = rc == 0 && look.count < DUE_MAX && purged < limit;

	look_again_at(s, done ? look.next_ms : INT64_MIN);
	if (rc < 0)
		return rc;
	*ret_purged = purged;
	return 0;
}
