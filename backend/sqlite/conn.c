/* Connections: how they are set up, and how SQLite's errors become the store's. */
#include "conn.h"

#include "base/log.h"
#include "schema.h"
#include "wipe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every connection needs; an old SQLite's defaults are not trusted. */
static const char settings_sql[] = "PRAGMA trusted_schema = OFF;"
				   "PRAGMA cell_size_check = ON;"
				   "PRAGMA foreign_keys = OFF;"
				   "PRAGMA temp_store = MEMORY;"
				   "PRAGMA mmap_size = 0;"
				   "PRAGMA secure_delete = ON;"
				   "PRAGMA wal_autocheckpoint = 0;";

/* 1 MiB for each of a few readers; the writer keeps the upper pages of its trees. */
static const char reader_sql[] = "PRAGMA cache_size = -1024;";
static const char writer_sql[] = "PRAGMA cache_size = -4096; PRAGMA synchronous = FULL;";

int conn_errno(sqlite3 *db, int code)
{
	/* SQLite's own may be that of an earlier failure. */
	int noted = wipe_errno(code), system = noted ? noted : db ? sqlite3_system_errno(db) : 0;

	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -ETIMEDOUT;
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_CONSTRAINT:
		return -EINVAL;
	case SQLITE_IOERR:
		if (code == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		/* fall through */
	case SQLITE_CANTOPEN:
		if (system == ENOSPC || system == EDQUOT)
			return -ENOSPC;
		if (system == EROFS || system == EMFILE || system == ENOMEM || system == EACCES)
			return -system;
		return system == ENFILE ? -EMFILE : -EIO;
	default:
		return -EIO;
	}
}

int conn_error(struct conn *conn, int code, const char *id)
{
	int rc = conn_errno(conn->db, code);

	if (rc < 0)
		log_error("local store%s%s: %s (SQLite %d): %s", id ? ", thread " : "",
			id ? id : "", sqlite3_errmsg(conn->db), code, strerror(-rc));
	return rc;
}

int conn_exec(struct conn *conn, const char *sql)
{
	return sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
}

/* What a file's schema could hold to make SQLite do more than read rows stays off. */
static void conn_harden(sqlite3 *db)
{
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
}

/* "file:" URI of a path, so that the path may hold any character. */
static char *conn_uri(const char *path, const char *query)
{
	size_t size = 3 * strlen(path) + strlen(query) + sizeof("file:");
	char *uri = malloc(size);

	if (!uri)
		return NULL;
	char *out = uri + sprintf(uri, "file:");
	for (const char *p = path; *p; p++) {
		if (strchr("%?#", *p))
			out += sprintf(out, "%%%02X", (unsigned char)*p);
		else
			*out++ = *p;
	}
	strcpy(out, query);
	return uri;
}

int conn_open(const char *path, enum conn_kind kind, struct conn **ret, int *ret_sqlite)
{
	bool writes = kind == CONN_WRITER || kind == CONN_READER;
	int flags = writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	struct conn *conn = calloc(1, sizeof(*conn));
	char *uri = conn_uri(path, kind == CONN_IMMUTABLE ? "?immutable=1" : "");
	int code = SQLITE_NOMEM;

	if (conn && uri)
		code = sqlite3_open_v2(uri, &conn->db,
			flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
			wipe_vfs());
	if (code == SQLITE_OK) {
		sqlite3_extended_result_codes(conn->db, 1);
		conn_harden(conn->db);
		sqlite3_busy_timeout(conn->db, CONN_BUSY_MS);
		code = conn_exec(conn, settings_sql);
	}
	if (code == SQLITE_OK)
		code = conn_exec(conn, kind == CONN_WRITER ? writer_sql : reader_sql);
	free(uri);
	*ret_sqlite = code;
	if (code != SQLITE_OK) {
		int rc = conn ? conn_errno(conn->db, code) : -ENOMEM;
		conn_close(conn);
		return rc;
	}
	*ret = conn;
	return 0;
}

void conn_close(struct conn *conn)
{
	if (!conn)
		return;
	for (int i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(conn->stmts[i]);
	sqlite3_close(conn->db);
	free(conn);
}

int conn_stmt(struct conn *conn, enum stmt stmt, sqlite3_stmt **ret)
{
	if (!conn->stmts[stmt]) {
		int code = sqlite3_prepare_v3(conn->db, schema_stmt_sql[stmt], -1,
			SQLITE_PREPARE_PERSISTENT, &conn->stmts[stmt], NULL);
		if (code != SQLITE_OK)
			return conn_error(conn, code, NULL);
	}
	*ret = conn->stmts[stmt];
	return 0;
}

int conn_step(struct conn *conn, sqlite3_stmt *stmt, const char *id)
{
	int code = sqlite3_step(stmt);

	if (code == SQLITE_ROW)
		return 1;
	return code == SQLITE_DONE ? 0 : conn_error(conn, code, id);
}

int conn_step_apart(struct conn *conn, sqlite3_stmt *stmt, const char *id)
{
	int code = sqlite3_step(stmt);

	if (code == SQLITE_ROW)
		return 1;
	if ((code & 0xff) == SQLITE_CORRUPT)
		return -EBADMSG;
	return code == SQLITE_DONE ? 0 : conn_error(conn, code, id);
}

int conn_run(struct conn *conn, sqlite3_stmt *stmt, const char *id)
{
	int rc = conn_step(conn, stmt, id);

	return rc < 0 ? rc : 0;
}
