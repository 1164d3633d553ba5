/* Small values of the store itself: how far numbers are given out, the root's attributes. */
#include "inside.h"
#include "row.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

int meta_get(struct conn *conn, const char *key, void *ret, size_t size)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_META_GET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	rc = conn_step(conn, stmt, NULL);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	const void *value = sqlite3_column_blob(stmt, 0);
	uint64_t sum = (uint64_t)sqlite3_column_int64(stmt, 1);

	if (!value || (size_t)sqlite3_column_bytes(stmt, 0) != size ||
		row_sum(value, size, row_sum(key, strlen(key), 0)) != sum) {
		log_error("local store: its entry \"%s\" is damaged", key);
		return -EIO;
	}
	memcpy(ret, value, size);
	return 0;
}

int meta_set(struct conn *conn, const char *key, const void *value, size_t size)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_META_SET, &stmt);

	if (rc < 0)
		return rc;
	uint64_t sum = row_sum(value, size, row_sum(key, strlen(key), 0));

	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_blob64(stmt, 2, value, size, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)sum);
	return conn_run(conn, stmt, NULL);
}

/* root_info as it is kept; the same on every machine. */
struct root_value {
	uint32_t mode, uid, gid, unused;
	int64_t mtime_ns, ctime_ns;
};

int sqlite_root_get(struct store *store, struct root_info *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct root_value value = {0};
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = meta_get(conn, "root", &value, sizeof(value));
	reader_put(s, conn);
	if (rc < 0 && rc != -ENOENT && rc != -EIO)
		return rc;
	if (rc == -EIO) /* no reason to give up all threads: as if never set, so for nobody else */
		log_error("local store: mode and owner of the root directory are lost");
	*ret = (struct root_info){
		.mode = value.mode,
		.uid = value.uid,
		.gid = value.gid,
		.mtime_ns = value.mtime_ns,
		.ctime_ns = value.ctime_ns,
	};
	return 0;
}

static int root_body(struct txn *txn, void *arg)
{
	return meta_set(txn->conn, "root", arg, sizeof(struct root_value));
}

int sqlite_root_set(struct store *store, const struct root_info *info)
{
	struct root_value value = {
		.mode = info->mode,
		.uid = info->uid,
		.gid = info->gid,
		.mtime_ns = info->mtime_ns,
		.ctime_ns = info->ctime_ns,
	};

	/* Not durable: a power cut may take the root's latest times, never a thread. */
	return commit_body(sqlite_store(store), root_body, &value, false, NULL);
}
