/*
 * Numbers that are given once: inode numbers and generations (store_reserve) and revisions, each
 * from a sequence whose end is kept in the file a block ahead.
 */
#include "inside.h"

#include "base/log.h"

#include <errno.h>

/* The mount uses bit 62 of an inode number itself; nobody gets that far. */
#define NUMBERS_END (UINT64_C(1) << 61)

/* 1 is the inode number of the mount's root directory. */
enum { NUMBERS_FIRST = 2 };

/* Beyond all numbers that are in use, should the file's own word on it be lost. */
enum { SALVAGE_GAP_BITS = 32 };

static int sequence_load(struct conn *conn, const char *key, uint64_t least, uint64_t *ret)
{
	uint64_t limit;
	int rc = meta_get(conn, key, &limit, sizeof(limit));

	if (rc < 0 && rc != -EIO && rc != -ENOENT)
		return rc;
	if (rc < 0 || limit < least || limit >= NUMBERS_END) {
		if (least > NUMBERS_FIRST)
			log_error("local store: \"%s\" is lost; going on far beyond it", key);
		limit = NUMBERS_FIRST;
		if (least > NUMBERS_FIRST)
			limit = least + (UINT64_C(1) << SALVAGE_GAP_BITS);
	}
	if (limit >= NUMBERS_END)
		return -EIO;
	*ret = limit;
	return 0;
}

static int highest(struct conn *conn, const char *sql, uint64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW ? 0 : conn_error(conn, code, NULL);
}

int numbers_load(struct sqlite_store *s, struct conn *conn)
{
	uint64_t ino = 0, gen = 0;
	int rc = highest(conn, "SELECT max(ino) FROM files", &ino);

	if (rc == 0)
		rc = highest(conn, "SELECT max(gen) FROM threads", &gen);
	if (rc < 0)
		return rc;
	uint64_t used = ino > gen ? ino : gen;

	/* A store that has used a number has used a revision; how many, only its own entry knows.
	 */
	rc = sequence_load(conn, "numbers", used ? used + 1 : NUMBERS_FIRST, &s->numbers.next);
	if (rc == 0)
		rc = sequence_load(conn, "revisions", NUMBERS_FIRST + (used > 0), &s->leader.next);
	if (rc < 0)
		return rc;
	s->numbers.limit = s->numbers.next;
	s->leader.limit = s->leader.next;
	return 0;
}

int revision_take(struct txn *txn, size_t count, uint64_t *ret_first)
{
	struct sqlite_store *s = txn->store;

	if (s->leader.limit - s->leader.next < count) {
		uint64_t next = s->leader.limit, limit = next + NUMBERS_BLOCK + count;
		int rc = meta_set(txn->conn, "revisions", &limit, sizeof(limit));

		if (rc < 0)
			return rc;
		s->leader.next = next;
		s->leader.limit = limit;
		s->leader.fresh = true;
	}
	*ret_first = s->leader.next;
	s->leader.next += count;
	return 0;
}

struct reserve {
	uint64_t least; /* nothing below was not given yet */
	uint64_t first, count;
};

/* The end of the sequence is read in the body: two callers may be after a new block at once. */
static int reserve_body(struct txn *txn, void *arg)
{
	struct reserve *reserve = arg;
	int rc = meta_get(txn->conn, "numbers", &reserve->first, sizeof(reserve->first));

	if (rc == -ENOENT)
		reserve->first = NUMBERS_FIRST;
	else if (rc < 0 && rc != -EIO)
		return rc;
	/* What was found out when the store was opened holds if the entry is damaged since. */
	if (reserve->first < reserve->least)
		reserve->first = reserve->least;
	uint64_t limit = reserve->first + reserve->count;

	if (limit >= NUMBERS_END)
		return -ENOSPC;
	return meta_set(txn->conn, "numbers", &limit, sizeof(limit));
}

int sqlite_reserve(struct store *store, uint32_t count, uint64_t *ret_first)
{
	struct sqlite_store *s = sqlite_store(store);
	int rc = 0;

	if (!s->writable)
		return -EROFS;
	pthread_mutex_lock(&s->numbers.lock);
	bool there = s->numbers.limit - s->numbers.next >= count;
	uint64_t least = s->numbers.limit;

	if (there) {
		*ret_first = s->numbers.next;
		s->numbers.next += count;
	}
	pthread_mutex_unlock(&s->numbers.lock);
	if (there)
		return 0;

	/* What is left of the old block is given up; a block need not be durable before its use is.
	 */
	struct reserve reserve = {.least = least, .count = (uint64_t)NUMBERS_BLOCK + count};

	rc = commit_body(s, reserve_body, &reserve, false, NULL);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->numbers.lock);
	s->numbers.next = reserve.first + count;
	s->numbers.limit = reserve.first + reserve.count;
	pthread_mutex_unlock(&s->numbers.lock);
	*ret_first = reserve.first;
	return 0;
}
