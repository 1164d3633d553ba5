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
	c->wal_fd = c->db_fd = -1;
}

void committer_start(struct sqlite_store *s)
{
	sqlite3_wal_hook(s->committer.conn->db, on_wal_commit, s);
}

/* Closing would checkpoint, and as the last connection remove the -wal. */
static void conn_close_only(struct conn *conn)
{
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	conn_close(conn);
}

int committer_reopen(struct sqlite_store *s)
{
	struct committer *c = &s->committer;
	struct conn *conn;
	int code, rc = conn_open(s->path, CONN_WRITER, &conn, &code);

	if (rc < 0)
		return rc;
	guard_break(c->guard);
	conn_close_only(c->conn);
	c->conn = conn;
	c->sync_mode = 2;
	committer_start(s);
	log_notice("local store: opened again, after a transaction that could not be ended");
	return 0;
}

void committer_done(struct sqlite_store *s)
{
	struct committer *c = &s->committer;

	/* Closing would try the sync again and then believe it. */
	if (c->guard && guard_is_broken(c->guard))
		conn_close_only(c->conn);
	else
		conn_close(c->conn);
	if (c->wal_fd >= 0)
		close(c->wal_fd);
	if (c->db_fd >= 0)
		close(c->db_fd);
	pthread_mutex_destroy(&s->committer.lock);
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

	if (guard_is_broken(c->guard))
		return -EIO; /* it was lost before; wal_heal() mends what comes after */
	int rc = guard_fdatasync(c->guard, c->wal_fd);

	if (rc == 0)
		return 0;
	log_error("local store: cannot sync its journal: %s", strerror(-rc));
	if (rc == -EDQUOT)
		rc = -ENOSPC;
	if (rc != -ENOSPC && rc != -EROFS)
		rc = -EIO;
	status_failed(txn->store, rc);
	return rc;
}

int sqlite_sync(struct store *store)
{
	struct request request = {.body = sync_gate, .gate = true};

	return sqlite_store(store)->writable ? commit_run(sqlite_store(store), &request) : 0;
}
