/*
 * When the store was open for writing: of a thread's deadline this tells the first mount that found
 * it expired, without a note on each thread. A session's end is noted about once a minute and at
 * close; after a crash it reads as a little earlier than it was, which only makes a grace longer.
 */
#include "inside.h"
#include "row.h"

#include <string.h>

enum { NOTE_EVERY_MS = 60 * 1000 };

static uint64_t session_sum(const struct session *session)
{
	return row_sum(session, sizeof(*session), 0);
}

int sessions_load(struct sqlite_store *s, struct conn *conn)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_SESSION_LIST, &stmt);

	while (rc >= 0 && (rc = conn_step(conn, stmt, NULL)) > 0) {
		struct session session = {
			.opened_ms = sqlite3_column_int64(stmt, 0),
			.last_ms = sqlite3_column_int64(stmt, 1),
		};

		/* A damaged one is as good as none: a later session will have found the thread. */
		if ((uint64_t)sqlite3_column_int64(stmt, 2) != session_sum(&session))
			continue;
		if (s->session_count == SESSIONS_MAX)
			memmove(s->sessions, s->sessions + 1,
				(--s->session_count) * sizeof(*s->sessions));
		s->sessions[s->session_count++] = session;
		if (session.last_ms > s->status.last_commit_ms)
			s->status.last_commit_ms = session.last_ms;
	}
	return rc;
}

int session_write(struct sqlite_store *s, struct conn *conn, int64_t now_ms)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	/* Never earlier than what is known: a clock that went back must not make purge easier. */
	int64_t last = now_ms > s->status.last_commit_ms ? now_ms : s->status.last_commit_ms;
	struct session session = {.opened_ms = s->session_opened_ms, .last_ms = last};
	int rc = conn_stmt(conn, STMT_SESSION_SET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, session.opened_ms);
	sqlite3_bind_int64(stmt, 2, session.last_ms);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)session_sum(&session));
	return conn_run(conn, stmt, NULL);
}

/* Forgets what sessions_load() had no room for. */
int session_trim(struct sqlite_store *s, struct conn *conn)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = s->session_count < SESSIONS_MAX ? 0 : conn_stmt(conn, STMT_SESSION_TRIM, &stmt);

	if (rc < 0 || !stmt)
		return rc;
	sqlite3_bind_int64(stmt, 1, s->sessions[0].opened_ms);
	return conn_run(conn, stmt, NULL);
}

/* In every transaction; writes a row once in a while. */
int session_note(struct sqlite_store *s, struct conn *conn, int64_t now_ms)
{
	if (s->leader.noted_ms && now_ms - s->leader.noted_ms < NOTE_EVERY_MS)
		return 0;
	int rc = session_write(s, conn, now_ms);

	if (rc == 0) {
		s->leader.noted_ms = now_ms;
		s->leader.fresh = true;
	}
	return rc;
}

int64_t session_seen_ms(const struct sqlite_store *s, int64_t deadline_ms)
{
	int64_t opened_ms = s->session_opened_ms;

	for (size_t i = s->session_count; i-- > 0;)
		if (s->sessions[i].last_ms >= deadline_ms && s->sessions[i].opened_ms < opened_ms)
			opened_ms = s->sessions[i].opened_ms;
	return opened_ms > deadline_ms ? opened_ms : deadline_ms;
}
