/*
 * The maintenance thread: moves what the -wal holds into the store's file, so that no commit has
 * to, and overwrites the -wal after something was erased.
 */
#include "base/log.h"
#include "inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	/* From one overwriting of the -wal to the next: commits wait for it. */
	SCRUB_LATER_MS = 5000, /* after removals */
	SCRUB_NOW_MS = 1000, /* in a purge, which has many steps; its first need not wait */
	RETRY_MS = 1000, /* after a failure; then twice as long each time, up to … */
	RETRY_MAX_MS = 60000,
	GATE_BUSY_MS = 20, /* how long commits may wait for readers to leave the -wal */
	PASSIVE_ROUNDS = 2, /* the second has little left to do, the gated third next to none */
};

void maintain_ask(struct sqlite_store *s, enum scrub scrub)
{
	pthread_mutex_lock(&s->background.lock);
	bool news = scrub > s->background.scrub;

	if (news)
		s->background.scrub = scrub;
	if (scrub == SCRUB_NONE && !s->background.checkpoint)
		s->background.checkpoint = news = true;
	if (news)
		pthread_cond_broadcast(&s->background.wake);
	pthread_mutex_unlock(&s->background.lock);
}

/*
 * The rest of the checkpoint, with commits held off. After TRUNCATE all is in the store's file and
 * synced, no reader uses the -wal, the wal-index has no frame of it and the next commit writes a
 * new header first: its bytes may be overwritten under SQLite's feet. (After RESTART the wal-index
 * goes on to name the old frames, and with a reader about the next commit is appended to them.)
 */
static int restart_body(struct txn *txn, void *arg)
{
	struct sqlite_store *s = txn->store;
	struct committer *c = &s->committer;
	bool scrub = *(bool *)arg;
	struct stat st;

	if (guard_is_broken(c->guard)) {
		int rc = wal_heal(s);

		if (rc < 0)
			status_failed(s, rc);
		return rc;
	}
	int code = wal_empty(s, GATE_BUSY_MS);

	if (code == SQLITE_BUSY)
		return -ETIMEDOUT;
	if (code != SQLITE_OK)
		return conn_error(c->conn, code, NULL);
	bool grown = fstat(c->wal_fd, &st) == 0 && st.st_size > 2 * WAL_GROW_BYTES;

	return scrub || grown ? wal_scrub(s) : 0;
}

/* The maintenance thread's own. */
struct maintainer {
	struct sqlite_store *store;
	struct conn *conn; /* moves frames */
	struct conn *hold; /* a reader that keeps the -wal from being started over meanwhile */
	unsigned moved; /* frames of the -wal that are in the store's file, … */
	unsigned char moved_salt[8]; /* … if it is still the one with this salt */
};

/*
 * SQLite before 3.51.3 must not move frames while a commit starts the -wal over: a checkpoint that
 * begins behind one that moved all may then take new frames for moved, and they are lost (the
 * "WAL-reset bug", https://sqlite.org/wal.html#walresetbug). No commit does so while a reader needs
 * frames. Such a reader begins here, with commits held off; if all frames are moved it would need
 * none, and there is nothing to do: -EALREADY. 0: it holds; -errno.
 */
static int hold_body(struct txn *txn, void *arg)
{
	struct maintainer *m = arg;
	const struct committer *c = &txn->store->committer;
	CLEAN_STMT sqlite3_stmt *begin = NULL, *look = NULL;

	if (memcmp(m->moved_salt, c->wal_salt, sizeof(c->wal_salt)) != 0) {
		memcpy(m->moved_salt, c->wal_salt, sizeof(c->wal_salt));
		m->moved = 0;
	}
	if (c->wal_frames <= m->moved)
		return -EALREADY;
	int rc = conn_stmt(m->hold, STMT_SNAPSHOT, &begin);
	if (rc == 0)
		rc = conn_run(m->hold, begin, NULL);
	if (rc == 0)
		rc = conn_stmt(m->hold, STMT_PAGES, &look);
	if (rc == 0)
		rc = conn_step(m->hold, look, NULL); /* BEGIN alone reads nothing */
	return rc < 0 ? rc : 0;
}

static int conn_have(struct maintainer *m, struct conn **conn)
{
	int code;

	return *conn ? 0 : conn_open(m->store->path, CONN_READER, conn, &code);
}

/* Moves what is in the -wal now. 0; -EALREADY: nothing was to be moved; -errno. */
static int checkpoint_round(struct maintainer *m)
{
	struct request hold = {.body = hold_body, .arg = m, .gate = true};
	int done = 0, rc = conn_have(m, &m->conn);

	if (rc == 0)
		rc = conn_have(m, &m->hold);
	if (rc == 0)
		rc = commit_run(m->store, &hold);
	if (rc == 0) {
		int code = sqlite3_wal_checkpoint_v2(
			m->conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, &done);

		rc = code == SQLITE_BUSY ? -ETIMEDOUT : conn_error(m->conn, code, NULL);
		m->moved = rc == 0 && done > 0 ? (unsigned)done : m->moved;
	}
	if (m->hold && !sqlite3_get_autocommit(m->hold->db))
		conn_exec(m->hold, "ROLLBACK");
	return rc;
}

/*
 * Most of a checkpoint, beside commits and readers. Commits that go on all the time never leave a
 * moment in which SQLite would start the -wal over by itself: the rest takes the gate.
 */
static void checkpoint_passive(struct maintainer *m)
{
	for (int i = 0; i < PASSIVE_ROUNDS; i++)
		if (checkpoint_round(m) < 0)
			break;
}

static int maintain(struct maintainer *m, bool scrub)
{
	struct sqlite_store *s = m->store;
	struct request request = {.body = restart_body, .arg = &scrub, .gate = true};

	/*
	 * If a sync of the -wal failed its guard keeps that in mind and the gate heals it first. If
	 * the store's file could not be written or synced, SQLite holds none of this round for
	 * done: the gate writes all of it again, from the -wal, and the -wal keeps it until then.
	 */
	if (!guard_is_broken(s->committer.guard))
		checkpoint_passive(m);
	int rc = commit_run(s, &request);

	if (rc == 0 && scrub)
		rc = guard_fdatasync(s->committer.guard, s->committer.wal_fd);
	return rc;
}

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Waits on `wake`, with its lock held, `ms` at most. */
static void wait_ms(struct sqlite_store *s, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_cond_timedwait(&s->background.wake, &s->background.lock, &until);
}

/* What is to be done now, under the lock; waits until there is something. False: stop. */
static bool maintain_next(struct sqlite_store *s, int64_t scrubbed_ms, bool *ret_scrub)
{
	while (!s->background.stop) {
		enum scrub scrub = s->background.scrub;
		int64_t apart_ms = scrub == SCRUB_NOW ? SCRUB_NOW_MS : SCRUB_LATER_MS;
		int64_t later_ms = scrubbed_ms + apart_ms - monotonic_ms();

		*ret_scrub = scrub != SCRUB_NONE && later_ms <= 0;
		if (*ret_scrub || s->background.checkpoint)
			return true;
		if (scrub != SCRUB_NONE)
			wait_ms(s, (int)later_ms + 1);
		else
			pthread_cond_wait(&s->background.wake, &s->background.lock);
	}
	return false;
}

/* Lets `ms` pass, whatever is asked for meanwhile, unless it is to stop. Under the lock. */
static void pause_ms(struct sqlite_store *s, int ms)
{
	int64_t until_ms = monotonic_ms() + ms;
	int64_t left_ms = ms;

	for (; !s->background.stop && left_ms > 0; left_ms = until_ms - monotonic_ms())
		wait_ms(s, (int)left_ms);
}

static void *maintain_main(void *arg)
{
	struct sqlite_store *s = arg;
	struct maintainer maintainer = {.store = s};
	int64_t scrubbed_ms = 0;
	int retry_ms = RETRY_MS;
	bool scrub;

	pthread_mutex_lock(&s->background.lock);
	while (maintain_next(s, scrubbed_ms, &scrub)) {
		enum scrub asked = s->background.scrub;

		s->background.checkpoint = false;
		if (scrub)
			s->background.scrub = SCRUB_NONE;
		pthread_mutex_unlock(&s->background.lock);
		int rc = maintain(&maintainer, scrub);

		if (rc == 0 && scrub)
			scrubbed_ms = monotonic_ms();
		pthread_mutex_lock(&s->background.lock);
		/* What was asked for meanwhile was done with it. */
		s->background.checkpoint = rc < 0;
		if (rc == 0) {
			retry_ms = RETRY_MS;
			continue;
		}
		if (scrub && asked > s->background.scrub)
			s->background.scrub = asked;
		pause_ms(s, rc == -ETIMEDOUT ? GATE_BUSY_MS : retry_ms);
		if (rc != -ETIMEDOUT && retry_ms < RETRY_MAX_MS)
			retry_ms *= 2;
	}
	pthread_mutex_unlock(&s->background.lock);
	conn_close(maintainer.conn);
	conn_close(maintainer.hold);
	return NULL;
}

int maintain_start(struct sqlite_store *s)
{
	int error = pthread_create(&s->background.maintain_thread, NULL, maintain_main, s);

	s->background.maintaining = error == 0;
	return error ? -ENOMEM : 0;
}

void background_stop(struct sqlite_store *s)
{
	pthread_mutex_lock(&s->background.lock);
	s->background.stop = true;
	pthread_cond_broadcast(&s->background.wake);
	pthread_mutex_unlock(&s->background.lock);
	if (s->background.checking)
		pthread_join(s->background.check_thread, NULL);
	if (s->background.maintaining)
		pthread_join(s->background.maintain_thread, NULL);
	s->background.checking = s->background.maintaining = false;
}
