/* Opening and closing the local store. */
#include "base/log.h"
#include "inside.h"
#include "make.h"
#include "place.h"
#include "rules.h"
#include "schema.h"
#include "sqlite_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int64_t sqlite_now_ms(struct store *store)
{
	return clock_now_ms(sqlite_store(store)->clock);
}

static void sqlite_close(struct store *store);

static const struct store_ops sqlite_ops = {
	.name = "sqlite",
	.close = sqlite_close,
	.now_ms = sqlite_now_ms,
	.reserve = sqlite_reserve,
	.root_get = sqlite_root_get,
	.root_set = sqlite_root_set,
	.thread_find = sqlite_thread_find,
	.thread_stat = sqlite_thread_stat,
	.thread_list = sqlite_thread_list,
	.thread_create = sqlite_thread_create,
	.thread_rename = sqlite_thread_rename,
	.thread_remove = sqlite_thread_remove,
	.doc_read = sqlite_doc_read,
	.file_stat = sqlite_file_stat,
	.turn_stat = sqlite_turn_stat,
	.file_list = sqlite_file_list,
	.file_read = sqlite_file_read,
	.apply = sqlite_apply,
	.move = sqlite_move,
	.append = sqlite_append,
	.sync = sqlite_sync,
	.claim = sqlite_claim,
	.unclaim = sqlite_unclaim,
	.purge = sqlite_purge,
	.ledger_add = sqlite_ledger_add,
	.ledger_list = sqlite_ledger_list,
	.lost_next = rules_lost_none,
	.usage = sqlite_usage,
	.health = sqlite_health,
	.check = sqlite_store_check,
};

/* Marks the session as open and not ended. In the first commit. */
static int session_open_body(struct txn *txn, void *arg)
{
	struct sqlite_store *s = txn->store;
	uint64_t clean = 0;
	int rc = meta_set(txn->conn, "clean", &clean, sizeof(clean));

	return rc < 0 ? rc : session_trim(s, txn->conn);
}

static int session_close_body(struct txn *txn, void *arg)
{
	uint64_t clean = 1;
	int rc = session_write(txn->store, txn->conn, txn->now_ms);

	return rc < 0 ? rc : meta_set(txn->conn, "clean", &clean, sizeof(clean));
}

/* What must be known before the first write. */
static int load(struct sqlite_store *s, struct conn *conn)
{
	uint64_t clean = 1;
	int rc = meta_get(conn, "clean", &clean, sizeof(clean));

	if (rc < 0 && rc != -ENOENT && rc != -EIO)
		return rc;
	s->was_unclean = rc == -EIO || clean == 0;
	rc = numbers_load(s, conn);
	return rc < 0 ? rc : sessions_load(s, conn);
}

static const char *write_advice(int rc)
{
	if (rc == -ENOSPC)
		return "; make room on that disk (-o ro reads it as it is)";
	if (rc == -EIO)
		return "; it is damaged, or its disk: restore it from a backup (-o ro reads what "
		       "can be read)";
	return "";
}

static int open_write(struct sqlite_store *s, struct errtext *error)
{
	struct conn *conn;
	int code, rc = conn_open(s->path, CONN_WRITER, &conn, &code);

	if (rc < 0)
		return open_failed(s, code, rc, error);
	s->committer.conn = conn;
	rc = wal_guard(s);
	if (rc < 0)
		return errtext_set(error, rc, "Out of memory");
	rc = store_accept(s, conn, error);
	if (rc < 0)
		return rc;
	rc = load(s, conn);
	if (rc == 0)
		rc = wal_open(s);
	if (rc == 0)
		rc = wal_recover(s);
	if (rc == 0) {
		wal_grow(s);
		committer_start(s);
		rc = commit_body(s, session_open_body, NULL, true, NULL);
	}
	if (rc < 0)
		return errtext_set(error, rc, "Cannot write to the store %s: %s%s", s->path,
			strerror(-rc), write_advice(rc));
	return 0;
}

/* Whether the -wal holds something that only opening for writing could bring home. */
static bool wal_is_empty(const struct sqlite_store *s)
{
	char name[PATH_MAX + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s-wal", s->path);
	return stat(name, &st) < 0 || st.st_size == 0;
}

static int open_read(struct sqlite_store *s, struct errtext *error)
{
	struct conn *conn;
	int code;

	s->reader_kind = CONN_READ_ONLY;
	/* With the lock held and no -wal nobody writes, and SQLite need not make files beside it.
	 */
	if (!s->options.peek && wal_is_empty(s))
		s->reader_kind = CONN_IMMUTABLE;
	int rc = conn_open(s->path, s->reader_kind, &conn, &code);
	enum schema_found found;
	int version;

	if (rc == 0) { /* the -wal and -shm are opened by the first read */
		code = schema_identify(conn, &found, &version);
		rc = conn_errno(conn->db, code);
		if (rc < 0)
			conn_close(conn);
	}
	if (rc < 0 && (code & 0xff) == SQLITE_CANTOPEN && wal_is_empty(s)) {
		s->reader_kind = CONN_IMMUTABLE;
		rc = conn_open(s->path, s->reader_kind, &conn, &code);
	}
	if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY)
		return errtext_set(error, rc,
			"The store %s was not closed cleanly and cannot be read without writing "
			"beside it; mount it once where it can be written",
			s->path);
	if (rc < 0)
		return open_failed(s, code, rc, error);
	rc = store_accept(s, conn, error);
	if (rc == 0) {
		rc = load(s, conn);
		if (rc == -EIO) /* was logged; who only reads can do without */
			rc = 0;
		if (rc < 0)
			errtext_set(
				error, rc, "Cannot read the store %s: %s", s->path, strerror(-rc));
	}
	conn_close(conn);
	return rc;
}

static void store_init(struct sqlite_store *s, const struct store_options *options)
{
	pthread_condattr_t monotonic;

	s->base.ops = &sqlite_ops;
	s->options = *options;
	s->clock = options->clock ? options->clock : clock_steady();
	s->writable = !options->read_only && !options->peek;
	s->reader_kind = CONN_READER;
	s->lock_fd = -1;
	s->session_opened_ms = clock_now_ms(s->clock);
	s->status.look_ms = INT64_MIN;
	strcpy(s->background.check_text, "not needed");
	committer_init(s);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->background.lock, NULL);
	pthread_cond_init(&s->background.wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&s->readers.lock, NULL);
	pthread_cond_init(&s->readers.returned, NULL);
	pthread_mutex_init(&s->numbers.lock, NULL);
	pthread_mutex_init(&s->status.lock, NULL);
	pthread_mutex_init(&s->damage.lock, NULL);
}

static void store_done(struct sqlite_store *s)
{
	readers_done(s);
	committer_done(s);
	place_unlock(s->lock_fd);
	pthread_mutex_destroy(&s->background.lock);
	pthread_cond_destroy(&s->background.wake);
	pthread_mutex_destroy(&s->numbers.lock);
	pthread_mutex_destroy(&s->status.lock);
	pthread_mutex_destroy(&s->damage.lock);
	free(s);
}

/* Everything but the threads. */
static int open_place(struct sqlite_store *s, const char *path, struct errtext *error)
{
	bool create = s->writable && s->options.create;
	int rc = place_check(path, create, s->path, error);

	if (rc == 0 && !s->options.peek)
		rc = place_lock(s->path, s->options.timeout_ms, !s->writable, &s->lock_fd, error);
	if (rc == 0)
		rc = store_identify(s, error);
	if (rc < 0)
		return rc;
	return s->writable ? open_write(s, error) : open_read(s, error);
}

int sqlite_store_open(const char *path, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	struct sqlite_store *s = calloc(1, sizeof(*s));

	if (!s)
		return errtext_set(error, -ENOMEM, "Out of memory");
	store_init(s, options);
	int rc = open_place(s, path, error);

	if (rc == 0 && s->writable) {
		rc = maintain_start(s);
		if (rc < 0)
			errtext_set(error, rc, "Cannot start a thread for the store %s", s->path);
		else if (s->was_unclean)
			check_start(s);
	}
	if (rc < 0) {
		store_done(s);
		return rc;
	}
	*ret = &s->base;
	return 0;
}

/*
 * A peek at a store that nobody has open makes a -wal and a -shm. SQLite takes them away when the
 * last connection that could write closes: that is made here, if nobody has come meanwhile.
 */
static void peek_tidy(struct sqlite_store *s)
{
	struct errtext ignored;
	struct conn *conn;
	int code, lock_fd;

	if (!wal_is_empty(s) || place_lock(s->path, 0, true, &lock_fd, &ignored) < 0)
		return;
	if (wal_is_empty(s) && conn_open(s->path, CONN_READER, &conn, &code) == 0) {
		conn_exec(conn, "SELECT 1 FROM meta"); /* opens them; only then it has them */
		conn_close(conn);
	}
	place_unlock(lock_fd);
}

static void sqlite_close(struct store *store)
{
	struct sqlite_store *s = sqlite_store(store);

	background_stop(s);
	readers_close(s);
	if (s->options.peek)
		peek_tidy(s);
	if (s->writable && commit_body(s, session_close_body, NULL, true, NULL) == 0) {
		int code = wal_empty(s, CONN_BUSY_MS);

		if (code != SQLITE_OK) { /* the -wal keeps it all, for the next to open */
			conn_error(s->committer.conn, code, NULL);
			guard_break(s->committer.guard);
		} else {
			(void)wal_end(s); /* only if another process reads is it left behind */
		}
	}
	store_done(s);
}
