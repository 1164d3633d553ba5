/*
 * One transaction for a group of requests: each body in a savepoint of its own, one COMMIT, one
 * sync. What fails is taken back: a body alone, or the group.
 */
#include "commit.h"
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A non-durable group leaves the sync to store_sync() or to the next durable group. */
static int group_sync_mode(struct committer *c, const struct request *group)
{
	int mode = 1;

	for (const struct request *r = group; r; r = r->next)
		if (r->durable)
			mode = 2;
	if (mode == c->sync_mode)
		return 0;
	int code = conn_exec(
		c->conn, mode == 2 ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
	if (code != SQLITE_OK)
		return conn_error(c->conn, code, NULL);
	c->sync_mode = mode;
	return 0;
}

static int run_stmt(struct conn *conn, enum stmt which)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, which, &stmt);

	return rc < 0 ? rc : conn_run(conn, stmt, NULL);
}

/* Whether SQLite has given the whole transaction up by itself, as it does when memory is short. */
static bool group_is_lost(struct committer *c)
{
	return sqlite3_get_autocommit(c->conn->db);
}

/* After a rollback the file may not have what the leader noted in this transaction. */
static void leader_forget(struct sqlite_store *s)
{
	if (s->leader.fresh) {
		s->leader.next = s->leader.limit;
		s->leader.noted_ms = 0;
	}
}

static void group_rollback(struct sqlite_store *s)
{
	struct committer *c = &s->committer;

	if (!group_is_lost(c))
		conn_exec(c->conn, "ROLLBACK");
	leader_forget(s);
}

static int body_run(struct sqlite_store *s, struct request *r, int64_t now_ms)
{
	r->txn = (struct txn){
		.store = s,
		.conn = s->committer.conn,
		.now_ms = now_ms,
		.due_ms = INT64_MAX,
	};
	return r->body(&r->txn, r->arg);
}

/*
 * One body among others: if it fails, only what it did is taken back. *ret_spoilt: that could not
 * be done, and the transaction has half of it.
 */
static int body_run_apart(
	struct sqlite_store *s, struct request *r, int64_t now_ms, bool *ret_spoilt)
{
	struct conn *conn = s->committer.conn;
	int rc = run_stmt(conn, STMT_SAVEPOINT);

	if (rc < 0)
		return rc;
	rc = body_run(s, r, now_ms);
	if (group_is_lost(&s->committer))
		return rc < 0 ? rc : -EIO;
	if (rc < 0) {
		*ret_spoilt = run_stmt(conn, STMT_ROLLBACK_TO) < 0;
		leader_forget(s);
	}
	int released = run_stmt(conn, STMT_RELEASE);

	*ret_spoilt = *ret_spoilt || released < 0;
	return rc < 0 ? rc : released;
}

/* The bodies of a group in one transaction, not yet committed. How many went well, or -errno. */
static int group_bodies(struct sqlite_store *s, struct request *group, int64_t now_ms)
{
	int good = 0;

	for (struct request *r = group; r; r = r->next) {
		bool spoilt = false;

		r->rc = group->next ? body_run_apart(s, r, now_ms, &spoilt)
				    : body_run(s, r, now_ms);
		if (spoilt || group_is_lost(&s->committer))
			return r->rc < 0 ? r->rc : -EIO;
		good += r->rc >= 0;
	}
	return good;
}

static void group_fail(struct request *group, int rc)
{
	for (struct request *r = group; r; r = r->next)
		if (r->rc >= 0)
			r->rc = rc;
}

/* Under status.lock: a thread that can be purged earlier than the others. */
static void due_note(struct sqlite_store *s, int64_t deadline_ms)
{
	int64_t due;

	if (__builtin_add_overflow(deadline_ms, s->status.look_grace_ms, &due))
		return;
	if (due < s->status.look_ms)
		s->status.look_ms = due;
}

static void status_committed(struct sqlite_store *s, const struct request *group, int64_t now_ms)
{
	enum scrub scrub = SCRUB_NONE;

	pthread_mutex_lock(&s->status.lock);
	s->status.error = 0;
	s->status.problem[0] = '\0';
	if (now_ms > s->status.last_commit_ms)
		s->status.last_commit_ms = now_ms;
	for (const struct request *r = group; r; r = r->next) {
		if (r->rc < 0)
			continue;
		s->status.threads += r->txn.threads;
		s->status.files += r->txn.files;
		due_note(s, r->txn.due_ms);
		if (r->txn.scrub > scrub)
			scrub = r->txn.scrub;
	}
	pthread_mutex_unlock(&s->status.lock);
	if (scrub != SCRUB_NONE)
		maintain_ask(s, scrub);
}

/*
 * Room in the store's file for all that is about to be committed to the -wal. What was committed
 * can then always be moved there, so that on a full disk the -wal gets free again, and with it
 * there is room for a removal.
 */
static int room_reserve(struct committer *c)
{
	enum { PAGE = 4096, STEP = 1 << 20, STEP_LEAST = 64 << 10 };
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct stat st;
	int rc = conn_stmt(c->conn, STMT_PAGES, &stmt);

	if (rc == 0)
		rc = conn_step(c->conn, stmt, NULL);
	if (rc <= 0)
		return rc;
	off_t bytes = (off_t)sqlite3_column_int64(stmt, 0) * PAGE;
	if (fstat(c->db_fd, &st) < 0 || bytes <= st.st_size)
		return 0; /* a checkpoint has cut it to what was committed then */
	for (off_t step = STEP; step >= STEP_LEAST; step /= 4) {
		off_t goal = (bytes + step - 1) / step * step;

		if (fallocate(c->db_fd, 0, st.st_size, goal - st.st_size) == 0)
			return 0;
		/* Another error of that file need not keep anybody from committing to the -wal. */
		if (errno != ENOSPC && errno != EDQUOT)
			return 0;
	}
	log_error("local store: its disk has no room for what would be committed");
	return -ENOSPC;
}

/* BEGIN to COMMIT. 0, or -errno when nothing of the group happened; *ret_again: one by one it
 * might. */
static int group_transaction(
	struct sqlite_store *s, struct request *group, int64_t now_ms, bool *ret_again)
{
	struct committer *c = &s->committer;
	CLEAN_STMT sqlite3_stmt *commit = NULL;
	int rc = group_sync_mode(c, group);

	if (rc == 0)
		rc = run_stmt(c->conn, STMT_BEGIN);
	if (rc < 0)
		return rc;
	s->leader.fresh = false;
	rc = session_note(s, c->conn, now_ms);
	if (rc == 0)
		rc = group_bodies(s, group, now_ms);
	if (rc > 0) {
		int room = room_reserve(c);

		rc = room < 0 ? room : rc;
	}
	if (rc > 0)
		rc = conn_stmt(c->conn, STMT_COMMIT, &commit);
	else if (rc == 0) /* all said no by themselves */
		goto undo;
	int code = rc < 0 ? SQLITE_OK : sqlite3_step(commit);
	if (rc >= 0 && code == SQLITE_DONE)
		return 0;
	if (rc >= 0)
		rc = conn_error(c->conn, code, group->next ? NULL : group->id);
	/* After a sync that failed none of them can do better alone: see wal_heal(). */
	*ret_again = group->next != NULL && !guard_is_broken(c->guard);
undo:
	if (commit)
		sqlite3_reset(commit);
	group_rollback(s);
	return rc;
}

/*
 * A ROLLBACK can fail too, when memory is short, and leaves its transaction open: no other could
 * begin. It is tried again, and if that does not help the connection is made anew.
 */
static int group_reopen(struct sqlite_store *s)
{
	if (group_is_lost(&s->committer))
		return 0;
	group_rollback(s);
	return group_is_lost(&s->committer) ? 0 : committer_reopen(s);
}

/* A body's own refusal says nothing about the store; these do. */
static bool is_store_failure(int rc)
{
	return rc == -ENOSPC || rc == -EROFS;
}

/* The disk is full, and the -wal may be: whether it was moved into the store's file, so that it may
 * do now. */
static bool room_make(struct sqlite_store *s, const struct request *group, int rc)
{
	enum { READERS_MS = 100 }; /* how long to wait for them to leave the -wal */
	struct committer *c = &s->committer;

	if (group->next || (rc != -ENOSPC && group->rc != -ENOSPC))
		return false;
	if (c->wal_frames == 0 || guard_is_broken(c->guard) || !group_is_lost(c))
		return false;
	return wal_empty(s, READERS_MS) == SQLITE_OK;
}

void group_run(struct sqlite_store *s, struct request *group)
{
	struct committer *c = &s->committer;
	int64_t now_ms = clock_now_ms(s->clock);
	bool again = false, any = false;
	int rc = group_reopen(s);

	if (rc == 0 && guard_is_broken(c->guard))
		rc = wal_heal(s);

	for (struct request *r = group; r; r = r->next)
		r->rc = 0;
	if (rc == 0)
		rc = group_transaction(s, group, now_ms, &again);
	if (room_make(s, group, rc)) {
		group->rc = 0;
		rc = group_transaction(s, group, now_ms, &again);
	}
	if (again) {
		for (struct request *r = group, *next; r; r = next) {
			next = r->next;
			r->next = NULL;
			group_run(s, r);
			r->next = next;
		}
		return;
	}
	for (struct request *r = group; r; r = r->next) {
		any |= r->rc >= 0;
		if (is_store_failure(r->rc))
			status_failed(s, r->rc);
	}
	if (rc < 0 && any) {
		status_failed(s, rc);
		group_fail(group, rc);
	} else if (any) {
		status_committed(s, group, now_ms);
	}
}
