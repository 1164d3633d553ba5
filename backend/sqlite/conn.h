/* One connection to the store's file: its prepared statements, and SQLite's errors as -errno. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stmt {
	STMT_META_GET,
	STMT_META_SET,
	STMT_THREAD_GET,
	STMT_THREAD_FIND,
	STMT_THREAD_LIST,
	STMT_THREAD_NAMES,
	STMT_THREAD_ADD,
	STMT_THREAD_SET,
	STMT_THREAD_SET_ID,
	STMT_THREAD_DROP,
	STMT_DOC_GET,
	STMT_DOC_SET,
	STMT_DOC_DROP,
	STMT_FILE_FIND,
	STMT_FILE_GET,
	STMT_FILE_GET_CONTENT,
	STMT_FILE_READ,
	STMT_FILE_NAMES,
	STMT_FILE_RANGE,
	STMT_FILE_ADD,
	STMT_FILE_SET,
	STMT_FILE_SET_CONTENT,
	STMT_FILE_SET_NAME,
	STMT_FILE_DROP,
	STMT_FILE_ERASE,
	STMT_FILE_LEFT,
	STMT_LEDGER_ADD,
	STMT_LEDGER_EXPIRY,
	STMT_LEDGER_TRIM,
	STMT_LEDGER_LAST,
	STMT_LEDGER_LIST,
	STMT_COUNTS,
	STMT_SESSION_LIST,
	STMT_SESSION_SET,
	STMT_SESSION_TRIM,
	STMT_CHECK_THREADS,
	STMT_CHECK_DOCS,
	STMT_CHECK_FILES,
	STMT_SNAPSHOT,
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_PAGES,
	STMT_SAVEPOINT,
	STMT_RELEASE,
	STMT_ROLLBACK_TO,
	STMT_COUNT,
};

struct conn {
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_COUNT];
	struct conn *next; /* in the pool of readers */
};

enum { CONN_BUSY_MS = 5000 }; /* how long a statement waits for another connection */

enum conn_kind {
	CONN_WRITER,
	CONN_READER, /* of a store that is open for writing */
	CONN_READ_ONLY, /* no writing to the file */
	CONN_IMMUTABLE, /* the same, and SQLite makes no -wal or -shm beside it */
};

/* Opens a connection with the store's settings. 0 or -errno; SQLite's own code in *ret_sqlite. */
int conn_open(const char *path, enum conn_kind kind, struct conn **ret, int *ret_sqlite);
void conn_close(struct conn *conn);

/*
 * The statement, prepared on first use and ready to be bound. It ends with its scope: CLEAN_STMT.
 * 0 or -errno.
 */
int conn_stmt(struct conn *conn, enum stmt stmt, sqlite3_stmt **ret);

static inline void stmt_done(sqlite3_stmt **stmt)
{
	if (*stmt) {
		sqlite3_reset(*stmt);
		sqlite3_clear_bindings(*stmt);
	}
}
#define CLEAN_STMT __attribute__((cleanup(stmt_done)))

/* Runs a statement that gives no row. 0 or -errno, logged with `id` (NULL: no thread). */
int conn_run(struct conn *conn, sqlite3_stmt *stmt, const char *id);

/* Steps to the next row: 1, 0 at the end, or -errno, logged with `id`. */
int conn_step(struct conn *conn, sqlite3_stmt *stmt, const char *id);

/*
 * The same for one row of many: -EBADMSG, not logged, where the file's structure is damaged, so
 * that it can be told from an error of reading.
 */
int conn_step_apart(struct conn *conn, sqlite3_stmt *stmt, const char *id);

/* Runs SQL text without results. SQLite's code. */
int conn_exec(struct conn *conn, const char *sql);

/* The -errno for SQLite's code; logs what SQLite says, with the thread's id or NULL. */
int conn_error(struct conn *conn, int code, const char *id);

/* The same mapping without a log line. */
int conn_errno(sqlite3 *db, int code);
