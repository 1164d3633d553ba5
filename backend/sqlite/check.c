/*
 * Verifying the whole store: SQLite's own structures, then the checksum of every row, some rows at
 * a time so that the -wal can be started over in between. In the background after an unclean stop,
 * or asked for.
 */
#include "base/log.h"
#include "base/name.h"
#include "inside.h"
#include "row.h"
#include "sqlite_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct check {
	struct sqlite_store *store;
	struct conn *conn;
	/* true: stop */
	bool (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
	uint64_t done, total, damaged;
	bool stopped;
	char structure[160]; /* SQLite's first complaint */
};

enum { PROGRESS_OPS = 20000 }; /* a few ms of SQLite's work between two looks at `stop` */

static int on_progress(void *arg)
{
	struct check *check = arg;

	if (check->progress && check->progress(check->arg, check->done, check->total))
		check->stopped = true;
	return check->stopped;
}

/* What its row says it is called, if that can be read at all. */
static void thread_name(struct check *check, uint64_t gen, char ret[STORE_NAME_MAX + 1])
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;

	*ret = '\0';
	if (conn_stmt(check->conn, STMT_THREAD_GET, &stmt) < 0)
		return;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)gen);
	if (sqlite3_step(stmt) == SQLITE_ROW && row_name(stmt, 1, name_thread_check, ret) < 0)
		*ret = '\0';
}

static void damaged(struct check *check, uint64_t gen, const char *name)
{
	char id[STORE_NAME_MAX + 1];

	check->damaged++;
	thread_name(check, gen, id);
	damage_found(check->store, id, gen, name);
}

static void check_thread(struct check *check, sqlite3_stmt *stmt)
{
	struct thread_info info;
	uint32_t state;

	if (thread_row_read(stmt, &info, &state) == -EIO)
		damaged(check, (uint64_t)sqlite3_column_int64(stmt, 0), NULL);
}

static void check_doc(struct check *check, sqlite3_stmt *stmt)
{
	uint64_t gen = (uint64_t)sqlite3_column_int64(stmt, 0);
	uint64_t revision = (uint64_t)sqlite3_column_int64(stmt, 1);
	const void *text = sqlite3_column_blob(stmt, 3);
	size_t size = (size_t)sqlite3_column_bytes(stmt, 3);

	if ((uint64_t)sqlite3_column_int64(stmt, 2) !=
		doc_row_sum(gen, revision, text ? text : "", size))
		damaged(check, gen, "its document");
}

static void check_file(struct check *check, sqlite3_stmt *stmt)
{
	struct file_row row = {0};
	int rc = file_row_read(stmt, &row);

	if (rc == -EIO || (rc == 0 && !file_row_content_valid(stmt, 5, &row)))
		damaged(check, (uint64_t)sqlite3_column_int64(stmt, 1),
			rc == 0 ? row.info.name : "a file");
	file_info_done(&row.info);
}

/* One page of rows after *after. How many there were, or -errno. */
static int check_rows(struct check *check, enum stmt which,
	void (*look)(struct check *check, sqlite3_stmt *stmt), uint64_t *after)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int count = 0, rc = conn_stmt(check->conn, which, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)*after);
	int code;

	while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
		*after = (uint64_t)sqlite3_column_int64(stmt, 0);
		look(check, stmt);
		count++;
	}
	if (code == SQLITE_INTERRUPT)
		return 0;
	if ((code & 0xff) == SQLITE_CORRUPT) {
		check->damaged++;
		return 0; /* the structure's check has said so */
	}
	return code == SQLITE_DONE ? count : conn_error(check->conn, code, NULL);
}

static int check_table(
	struct check *check, enum stmt which, void (*look)(struct check *check, sqlite3_stmt *stmt))
{
	uint64_t after = 0;
	int rc;

	while ((rc = check_rows(check, which, look, &after)) > 0) {
		check->done += (uint64_t)rc;
		if (on_progress(check))
			return 0;
	}
	return rc;
}

/* PRAGMA quick_check: pages, trees and rows, without the indexes' contents. */
static int check_structure(struct check *check)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(check->conn->db, "PRAGMA quick_check(10)", -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	const char *text = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;

	if (text && strcmp(text, "ok") != 0) {
		check->damaged++;
		snprintf(check->structure, sizeof(check->structure), "%s", text);
		log_error("local store: its structure is damaged: %s", check->structure);
	}
	sqlite3_finalize(stmt);
	if (code == SQLITE_ROW || code == SQLITE_INTERRUPT)
		return 0;
	return conn_error(check->conn, code, NULL);
}

static int check_all(struct check *check)
{
	struct sqlite_store *s = check->store;
	int code, rc = conn_open(s->path, s->reader_kind, &check->conn, &code);

	if (rc < 0)
		return rc;
	sqlite3_progress_handler(check->conn->db, PROGRESS_OPS, on_progress, check);
	rc = check_structure(check);
	if (rc == 0 && !check->stopped)
		rc = check_table(check, STMT_CHECK_THREADS, check_thread);
	if (rc == 0 && !check->stopped)
		rc = check_table(check, STMT_CHECK_DOCS, check_doc);
	if (rc == 0 && !check->stopped)
		rc = check_table(check, STMT_CHECK_FILES, check_file);
	conn_close(check->conn);
	return rc;
}

int sqlite_store_check(struct store *store,
	bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	uint64_t *ret_damaged, struct errtext *ret_text)
{
	struct check check = {.store = sqlite_store(store), .progress = progress, .arg = arg};
	struct store_usage usage;

	if (sqlite_usage(store, &usage) == 0)
		check.total = usage.threads + usage.files;
	int rc = check_all(&check);

	if (rc < 0)
		return errtext_set(
			ret_text, rc, "The check could not be finished: %s", strerror(-rc));
	*ret_damaged = check.damaged;
	if (check.damaged == 0)
		return errtext_set(ret_text, 0, "%llu rows verified%s",
			(unsigned long long)check.done,
			check.stopped ? " before it was stopped" : "");
	return errtext_set(ret_text, -EIO,
		"%llu of %llu rows are damaged (the log names them)%s%s; restore those from a "
		"backup",
		(unsigned long long)check.damaged, (unsigned long long)check.done,
		check.structure[0] ? "; SQLite says: " : "", check.structure);
}

static bool background_stopped(void *arg, uint64_t done, uint64_t total)
{
	struct sqlite_store *s = arg;

	pthread_mutex_lock(&s->background.lock);
	bool stop = s->background.stop;

	pthread_mutex_unlock(&s->background.lock);
	return stop;
}

static void check_say(struct sqlite_store *s, const char *text)
{
	pthread_mutex_lock(&s->background.lock);
	snprintf(s->background.check_text, sizeof(s->background.check_text), "%s", text);
	pthread_mutex_unlock(&s->background.lock);
}

static void *check_main(void *arg)
{
	struct sqlite_store *s = arg;
	struct errtext text;
	char said[256];
	uint64_t found = 0;

	/* On Linux this is the thread's own: a check must not be felt. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	sqlite_store_check(&s->base, background_stopped, s, &found, &text);
	snprintf(said, sizeof(said), "after an unclean stop: %.220s", text.text);
	check_say(s, said);
	return NULL;
}

int check_start(struct sqlite_store *s)
{
	check_say(s, "running, after an unclean stop");
	int error = pthread_create(&s->background.check_thread, NULL, check_main, s);

	s->background.checking = error == 0;
	if (error)
		check_say(s, "could not be started: too few threads");
	return 0; /* the store works without */
}
