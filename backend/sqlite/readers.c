/* The connections that reads are made on, and looking rows up. */
#include "base/log.h"
#include "base/name.h"
#include "inside.h"
#include "row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void reader_gone(struct sqlite_store *s)
{
	pthread_mutex_lock(&s->readers.lock);
	s->readers.count--;
	pthread_cond_signal(&s->readers.returned);
	pthread_mutex_unlock(&s->readers.lock);
}

static int reader_take(struct sqlite_store *s, struct conn **ret)
{
	struct readers *r = &s->readers;
	int rc = 0, code;

	pthread_mutex_lock(&r->lock);
	while (!r->idle && r->count == READERS_MAX)
		pthread_cond_wait(&r->returned, &r->lock);
	struct conn *conn = r->idle;

	if (conn)
		r->idle = conn->next;
	else
		r->count++;
	pthread_mutex_unlock(&r->lock);
	if (!conn)
		rc = conn_open(s->path, s->reader_kind, &conn, &code);
	if (rc < 0) {
		log_error("local store: cannot open %s to read: %s", s->path, strerror(-rc));
		reader_gone(s);
		return rc;
	}
	*ret = conn;
	return 0;
}

/* Back to the pool; one that cannot end its snapshot would only be in the way there, and closes. */
static void reader_give(struct sqlite_store *s, struct conn *conn)
{
	if (!sqlite3_get_autocommit(conn->db)) {
		conn_close(conn);
		reader_gone(s);
		return;
	}
	pthread_mutex_lock(&s->readers.lock);
	conn->next = s->readers.idle;
	s->readers.idle = conn;
	pthread_cond_signal(&s->readers.returned);
	pthread_mutex_unlock(&s->readers.lock);
}

int reader_get(struct sqlite_store *s, struct conn **ret)
{
	struct conn *conn;
	int rc = reader_take(s, &conn);

	if (rc < 0)
		return rc;
	CLEAN_STMT sqlite3_stmt *begin = NULL;
	rc = conn_stmt(conn, STMT_SNAPSHOT, &begin);
	if (rc == 0)
		rc = conn_run(conn, begin, NULL);
	if (rc < 0)
		reader_give(s, conn);
	else
		*ret = conn;
	return rc;
}

static void snapshot_end(struct conn *conn)
{
	CLEAN_STMT sqlite3_stmt *commit = NULL;

	if (conn_stmt(conn, STMT_COMMIT, &commit) == 0)
		sqlite3_step(commit);
	if (!sqlite3_get_autocommit(conn->db))
		conn_exec(conn, "ROLLBACK");
}

void reader_put(struct sqlite_store *s, struct conn *conn)
{
	snapshot_end(conn);
	reader_give(s, conn);
}

void readers_close(struct sqlite_store *s)
{
	for (struct conn *conn = s->readers.idle, *next; conn; conn = next) {
		next = conn->next;
		conn_close(conn);
	}
	s->readers.idle = NULL;
	s->readers.count = 0;
}

void readers_done(struct sqlite_store *s)
{
	readers_close(s);
	pthread_cond_destroy(&s->readers.returned);
	pthread_mutex_destroy(&s->readers.lock);
}

int thread_get(struct sqlite_store *s, struct conn *conn, uint64_t gen, struct thread_info *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct thread_info info;
	uint32_t state;
	int rc = conn_stmt(conn, STMT_THREAD_GET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)gen);
	rc = conn_step(conn, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = thread_row_read(stmt, &info, &state);
	if (rc < 0)
		return rc == -EIO ? damage_found(s, NULL, gen, NULL) : rc;
	if (state != THREAD_ROW_KEPT)
		return -ENOENT;
	*ret = info;
	return 0;
}

int thread_find_live(struct sqlite_store *s, struct conn *conn, const char *id, int64_t now_ms,
	struct thread_info *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct thread_info info;
	uint32_t state;
	int rc = conn_stmt(conn, STMT_THREAD_FIND, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
	while ((rc = conn_step(conn, stmt, id)) > 0) {
		rc = thread_row_read(stmt, &info, &state);
		if (rc == -EIO)
			return damage_found(s, id, (uint64_t)sqlite3_column_int64(stmt, 0), NULL);
		if (rc < 0)
			return rc;
		if (state != THREAD_ROW_KEPT || !thread_is_live(&info, now_ms))
			continue;
		*ret = info;
		return 0;
	}
	return rc < 0 ? rc : -ENOENT;
}

int file_find(struct sqlite_store *s, struct conn *conn, const struct thread_info *thread,
	const char *name, struct file_row *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_FILE_FIND, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)thread->gen);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	rc = conn_step(conn, stmt, thread->id);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = file_row_read(stmt, ret);
	return rc == -EIO ? damage_found(s, thread->id, thread->gen, name) : rc;
}

int file_find_turns(
	struct conn *conn, const struct thread_info *thread, uint32_t number, uint64_t *ret_ino)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	char first[16], end[16], name[STORE_NAME_MAX + 1];
	int count = 0, rc = conn_stmt(conn, STMT_FILE_RANGE, &stmt);

	if (rc < 0)
		return rc;
	snprintf(first, sizeof(first), "%06u-", number);
	snprintf(end, sizeof(end), "%06u.", number); /* '.' comes after '-' */
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)thread->gen);
	sqlite3_bind_text(stmt, 2, first, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, end, -1, SQLITE_STATIC);
	while ((rc = conn_step(conn, stmt, thread->id)) > 0) {
		if (row_name(stmt, 1, name_file_check, name) < 0 ||
			!name_turn_parse(name, NULL, NULL))
			continue;
		*ret_ino = (uint64_t)sqlite3_column_int64(stmt, 0);
		count++;
	}
	return rc < 0 ? rc : count;
}
