/*
 * Group commit by leader and followers: whoever finds no leader takes all that is queued, makes one
 * transaction of it and hands leadership on. A lone caller leads itself: no thread is switched.
 */
#include "commit.h"

#include "base/log.h"
#include "inside.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* More would only make the first of them wait longer; the sync is shared well enough. */
enum { GROUP_MAX = 64, PATIENCE = 3 };

static int on_wal_commit(void *arg, sqlite3 *db, const char *name, int frames)
{
	wal_committed(arg, (unsigned)frames);
	return SQLITE_OK;
}

void committer_init(struct sqlite_store *s)
{
	struct committer *c = &s->committer;

	pthread_mutex_init(&c->lock, NULL);
	c->tail = &c->head;
	c->sync_mode = 2;
	c->wal_fd = -1;
}

void committer_start(struct sqlite_store *s)
{
	sqlite3_wal_hook(s->committer.conn->db, on_wal_commit, s);
}

void committer_done(struct sqlite_store *s)
{
	conn_close(s->committer.conn);
	if (s->committer.wal_fd >= 0)
		close(s->committer.wal_fd);
	pthread_mutex_destroy(&s->committer.lock);
}

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

/* One body among others: if it fails, only what it did is taken back. */
static int body_run_apart(struct sqlite_store *s, struct request *r, int64_t now_ms)
{
	struct conn *conn = s->committer.conn;
	int rc = run_stmt(conn, STMT_SAVEPOINT);

	if (rc < 0)
		return rc;
	rc = body_run(s, r, now_ms);
	if (group_is_lost(&s->committer))
		return rc < 0 ? rc : -EIO;
	if (rc < 0) {
		run_stmt(conn, STMT_ROLLBACK_TO);
		leader_forget(s);
	}
	int released = run_stmt(conn, STMT_RELEASE);

	return rc < 0 ? rc : released;
}

/* The bodies of a group in one transaction, not yet committed. How many went well, or -errno. */
static int group_bodies(struct sqlite_store *s, struct request *group, int64_t now_ms)
{
	int good = 0;

	for (struct request *r = group; r; r = r->next) {
		r->rc = group->next ? body_run_apart(s, r, now_ms) : body_run(s, r, now_ms);
		if (group_is_lost(&s->committer))
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

/* A sync that failed leaves it open what is on the disk: see wal_heal(). */
static bool is_sync_failure(int code)
{
	return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
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

/* BEGIN to COMMIT. 0, or -errno when nothing of the group happened; *ret_again: one by one it might. */
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
	if (rc > 0)
		rc = conn_stmt(c->conn, STMT_COMMIT, &commit);
	else if (rc == 0) /* all said no by themselves */
		goto undo;
	int code = rc < 0 ? SQLITE_OK : sqlite3_step(commit);
	if (rc >= 0 && code == SQLITE_DONE)
		return 0;
	if (rc >= 0)
		rc = conn_error(c->conn, code, group->next ? NULL : group->id);
	if (is_sync_failure(code))
		c->poisoned = true;
	else
		*ret_again = group->next != NULL;
undo:
	if (commit)
		sqlite3_reset(commit);
	group_rollback(s);
	return rc;
}

/* A body's own refusal says nothing about the store; these do. */
static bool is_store_failure(int rc)
{
	return rc == -ENOSPC || rc == -EROFS;
}

static void group_run(struct sqlite_store *s, struct request *group)
{
	struct committer *c = &s->committer;
	int64_t now_ms = clock_now_ms(s->clock);
	bool again = false, any = false;
	int rc = c->poisoned ? wal_heal(s) : 0;

	for (struct request *r = group; r; r = r->next)
		r->rc = 0;
	if (rc == 0)
		rc = group_transaction(s, group, now_ms, &again);
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

static void lead(struct sqlite_store *s, struct request *group)
{
	if (group->gate) {
		group->txn = (struct txn){.store = s, .conn = s->committer.conn};
		group->rc = group->body(&group->txn, group->arg);
	} else {
		group_run(s, group);
	}
}

/* Takes the next group off the queue: a gate alone, or what stands before the next gate. */
static struct request *group_take(struct committer *c)
{
	struct request *group = c->head, *last = group;

	int n = 1;

	for (; !group->gate && n < GROUP_MAX && last->next && !last->next->gate; n++)
		last = last->next;
	c->queued -= n;
	c->last_group = n;
	c->head = last->next;
	if (!c->head)
		c->tail = &c->head;
	last->next = NULL;
	return group;
}

/* Wakes all of the group but the leader itself. A woken request is gone: next is read before. */
static void group_wake(struct request *group, const struct request *self)
{
	for (struct request *r = group, *next; r; r = next) {
		next = r->next;
		if (r != self)
			sem_post(&r->wake);
	}
}

static void leadership_pass(struct committer *c)
{
	pthread_mutex_lock(&c->lock);
	struct request *heir = c->head;

	if (heir)
		heir->lead = true;
	else
		c->leading = false;
	pthread_mutex_unlock(&c->lock);
	if (heir)
		sem_post(&heir->wake);
}

static void request_wait(struct request *request)
{
	while (sem_wait(&request->wake) < 0)
		;
}

/*
 * Those whom the last group has woken are about to come again; a moment's patience doubles the
 * group. Never a lone caller's: it only comes here when it has been waiting behind another.
 */
static void company_wait(struct committer *c)
{
	for (int i = 0; i < PATIENCE; i++) {
		pthread_mutex_lock(&c->lock);
		bool enough = c->queued > c->last_group || c->queued >= GROUP_MAX;

		pthread_mutex_unlock(&c->lock);
		if (enough)
			return;
		sched_yield();
	}
}

int commit_run(struct sqlite_store *s, struct request *request)
{
	struct committer *c = &s->committer;

	if (!s->writable)
		return -EROFS;
	request->next = NULL;
	request->lead = false;
	pthread_mutex_lock(&c->lock);
	*c->tail = request;
	c->tail = &request->next;
	c->queued++;
	bool first = !c->leading;

	c->leading = true;
	if (!first) {
		sem_init(&request->wake, 0, 0);
		pthread_mutex_unlock(&c->lock);
		request_wait(request);
		sem_destroy(&request->wake);
		if (!request->lead)
			return request->rc;
		company_wait(c);
		pthread_mutex_lock(&c->lock);
	}
	struct request *group = group_take(c);

	pthread_mutex_unlock(&c->lock);
	lead(s, group);
	group_wake(group, request);
	leadership_pass(c);
	return request->rc;
}

int commit_body(struct sqlite_store *s, int (*body)(struct txn *txn, void *arg), void *arg,
	bool durable, const char *id)
{
	struct request request = {.body = body, .arg = arg, .durable = durable, .id = id};

	return commit_run(s, &request);
}

/* What earlier commits left to the kernel. Alone, so that none of them is under way. */
static int sync_gate(struct txn *txn, void *arg)
{
	struct committer *c = &txn->store->committer;

	if (c->poisoned)
		return -EIO; /* it was lost before; wal_heal() mends what comes after */
	if (fdatasync(c->wal_fd) == 0)
		return 0;
	int rc = errno == ENOSPC || errno == EDQUOT ? -ENOSPC : -EIO;

	c->poisoned = true;
	log_error("local store: cannot sync its journal: %s", strerror(errno));
	status_failed(txn->store, rc);
	return rc;
}

int sqlite_sync(struct store *store)
{
	struct request request = {.body = sync_gate, .gate = true};

	return sqlite_store(store)->writable ? commit_run(sqlite_store(store), &request) : 0;
}
