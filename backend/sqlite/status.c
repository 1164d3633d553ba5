/* What the store says of itself: usage and health. */
#include "inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void status_failed(struct sqlite_store *s, int rc)
{
	pthread_mutex_lock(&s->status.lock);
	s->status.error = rc;
	snprintf(s->status.problem, sizeof(s->status.problem),
		"the last write to %.300s failed: %s; %s", s->path, strerror(-rc),
		rc == -ENOSPC ? "make room on that disk"
			      : "see the system's log for that disk, then write again");
	pthread_mutex_unlock(&s->status.lock);
}

struct counts {
	int64_t threads, files;
};

static int count_rows(struct conn *conn, struct counts *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_COUNTS, &stmt);

	if (rc == 0)
		rc = conn_step(conn, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -EIO;
	ret->threads = sqlite3_column_int64(stmt, 0);
	ret->files = sqlite3_column_int64(stmt, 1);
	return 0;
}

/* As a step of the committer, so that no commit is counted twice or not at all. */
static int count_body(struct txn *txn, void *arg)
{
	struct sqlite_store *s = txn->store;
	struct counts counts;

	pthread_mutex_lock(&s->status.lock);
	bool counted = s->status.counted;

	pthread_mutex_unlock(&s->status.lock);
	if (counted)
		return 0;
	int rc = count_rows(txn->conn, &counts);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->status.lock);
	s->status.counted = true;
	s->status.threads = counts.threads;
	s->status.files = counts.files;
	pthread_mutex_unlock(&s->status.lock);
	return 0;
}

/* Counted when first asked: opening a big store must not wait for it. */
static int counts_get(struct sqlite_store *s, struct counts *ret)
{
	struct conn *conn;
	int rc;

	if (!s->writable) {
		rc = reader_get(s, &conn);
		if (rc == 0) {
			rc = count_rows(conn, ret);
			reader_put(s, conn);
		}
		return rc;
	}
	pthread_mutex_lock(&s->status.lock);
	bool counted = s->status.counted;

	pthread_mutex_unlock(&s->status.lock);
	struct request request = {.body = count_body, .gate = true};

	rc = counted ? 0 : commit_run(s, &request);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->status.lock);
	*ret = (struct counts){.threads = s->status.threads, .files = s->status.files};
	pthread_mutex_unlock(&s->status.lock);
	return 0;
}

static uint64_t file_size(const char *path, const char *suffix)
{
	char name[PATH_MAX + 8];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int sqlite_usage(struct store *store, struct store_usage *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct counts counts;
	struct statvfs vfs;

	if (statvfs(s->path, &vfs) < 0)
		return errno == ENOMEM ? -ENOMEM : -EIO;
	int rc = counts_get(s, &counts);

	if (rc < 0)
		return rc;
	*ret = (struct store_usage){
		.bytes_total = (uint64_t)vfs.f_blocks * vfs.f_frsize,
		.bytes_free = (uint64_t)vfs.f_bavail * vfs.f_frsize,
		.bytes_used = file_size(s->path, "") + file_size(s->path, "-wal"),
		.threads = (uint64_t)counts.threads,
		.files = (uint64_t)counts.files,
	};
	return 0;
}

static int probe_body(struct txn *txn, void *arg)
{
	return session_write(txn->store, txn->conn, txn->now_ms);
}

static void health_words(const struct sqlite_store *s, struct store_health *ret)
{
	snprintf(ret->storage, sizeof(ret->storage), "SQLite store %.480s", s->path);
	if (s->writable)
		snprintf(ret->durability, sizeof(ret->durability),
			"A durable write returns when it is on the disk (write-ahead log, "
			"fdatasync): it survives a kill of the daemon and a power cut. At worst "
			"what was not yet closed or fsynced is lost.");
	else
		snprintf(ret->durability, sizeof(ret->durability),
			"Open for reading only: nothing is written.");
}

int sqlite_health(struct store *store, bool probe, struct store_health *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct store_health health = {.damaged = damage_count(s)};

	pthread_mutex_lock(&s->status.lock);
	bool failed = s->status.error < 0;

	pthread_mutex_unlock(&s->status.lock);
	if (failed && probe) /* its outcome is in status */
		(void)commit_body(s, probe_body, NULL, true, NULL);
	health_words(s, &health);
	pthread_mutex_lock(&s->background.lock);
	memcpy(health.check, s->background.check_text, sizeof(health.check));
	pthread_mutex_unlock(&s->background.lock);

	pthread_mutex_lock(&s->status.lock);
	health.error = s->status.error;
	memcpy(health.problem, s->status.problem, sizeof(health.problem));
	pthread_mutex_unlock(&s->status.lock);
	if (health.error < 0) {
		health.state = HEALTH_FAILED;
	} else if (health.damaged > 0) {
		health.state = HEALTH_DEGRADED;
		snprintf(health.problem, sizeof(health.problem),
			"%llu rows of the store are damaged (the log names them); all others can "
			"be read: restore those from a backup",
			(unsigned long long)health.damaged);
	}
	*ret = health;
	return 0;
}
