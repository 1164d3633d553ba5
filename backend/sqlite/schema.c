/* The schema. Row formats are in row.h. */
#include "schema.h"

#include <stdio.h>

/*
 * Few pages are touched by an append: the right edge of files, one leaf of files_by_name, the
 * thread's leaf in threads. There is no index on deadlines: the mount keeps a heap of them.
 */
static const char tables_sql[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE threads(gen INTEGER PRIMARY KEY, id TEXT NOT NULL, attrs BLOB NOT NULL);"
	"CREATE INDEX threads_by_id ON threads(id);"
	"CREATE TABLE docs(gen INTEGER PRIMARY KEY, revision INTEGER NOT NULL,"
	" sum INTEGER NOT NULL, text BLOB NOT NULL);"
	"CREATE TABLE files(ino INTEGER PRIMARY KEY, gen INTEGER NOT NULL, name TEXT NOT NULL,"
	" attrs BLOB NOT NULL, meta BLOB, content BLOB NOT NULL);"
	"CREATE UNIQUE INDEX files_by_name ON files(gen, name);"
	"CREATE TABLE ledger(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
	" gen INTEGER NOT NULL, id TEXT NOT NULL, cause INTEGER NOT NULL, detail TEXT NOT NULL,"
	" ttl_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, turns INTEGER NOT NULL,"
	" sum INTEGER NOT NULL);"
	"CREATE TABLE sessions(opened_ms INTEGER PRIMARY KEY, last_ms INTEGER NOT NULL,"
	" sum INTEGER NOT NULL);";

const char *const schema_stmt_sql[STMT_COUNT] = {
	[STMT_META_GET] = "SELECT value, sum FROM meta WHERE key = ?1",
	[STMT_META_SET] = "REPLACE INTO meta(key, value, sum) VALUES(?1, ?2, ?3)",

	[STMT_THREAD_GET] = "SELECT gen, id, attrs FROM threads WHERE gen = ?1",
	[STMT_THREAD_FIND] = "SELECT gen, id, attrs FROM threads WHERE id = ?1 ORDER BY gen DESC",
	[STMT_THREAD_LIST] = "SELECT gen, id, attrs FROM threads WHERE gen > ?1 ORDER BY gen",
	[STMT_THREAD_NAMES] = "SELECT gen, id FROM threads INDEXED BY threads_by_id"
			      " WHERE id >= '' ORDER BY id",
	[STMT_THREAD_ADD] = "INSERT INTO threads(gen, id, attrs) VALUES(?1, ?2, ?3)",
	[STMT_THREAD_SET] = "UPDATE threads SET attrs = ?3 WHERE gen = ?1",
	[STMT_THREAD_SET_ID] = "UPDATE threads SET id = ?2, attrs = ?3 WHERE gen = ?1",
	[STMT_THREAD_DROP] = "DELETE FROM threads WHERE gen = ?1",

	[STMT_DOC_GET] = "SELECT revision, sum, text FROM docs WHERE gen = ?1",
	[STMT_DOC_SET] = "REPLACE INTO docs(gen, revision, sum, text) VALUES(?1, ?2, ?3, ?4)",
	[STMT_DOC_DROP] = "DELETE FROM docs WHERE gen = ?1",

	[STMT_FILE_FIND] = "SELECT ino, gen, name, attrs, meta FROM files INDEXED BY files_by_name"
			   " WHERE gen = ?1 AND name = ?2",
	[STMT_FILE_GET] = "SELECT ino, gen, name, attrs, meta FROM files WHERE ino = ?1",
	[STMT_FILE_GET_CONTENT] = "SELECT ino, gen, name, attrs, meta, content FROM files"
				  " WHERE ino = ?1",
	[STMT_FILE_READ] = "SELECT ino, gen, name, attrs, meta, content FROM files"
			   " INDEXED BY files_by_name WHERE gen = ?1 AND name = ?2",
	[STMT_FILE_NAMES] = "SELECT ino, name FROM files INDEXED BY files_by_name"
			    " WHERE gen = ?1 AND name > ?2 ORDER BY name",
	[STMT_FILE_RANGE] = "SELECT ino, name FROM files INDEXED BY files_by_name"
			    " WHERE gen = ?1 AND name >= ?2 AND name < ?3 ORDER BY name",
	[STMT_FILE_ADD] = "INSERT INTO files(ino, gen, name, attrs, meta, content)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[STMT_FILE_SET] = "UPDATE files SET attrs = ?4, meta = ?5 WHERE ino = ?1",
	[STMT_FILE_SET_CONTENT] = "UPDATE files SET attrs = ?4, meta = ?5, content = ?6"
				  " WHERE ino = ?1",
	[STMT_FILE_SET_NAME] = "UPDATE files SET gen = ?2, name = ?3, attrs = ?4, meta = ?5"
			       " WHERE ino = ?1",
	[STMT_FILE_DROP] = "DELETE FROM files WHERE ino = ?1",
	[STMT_FILE_ERASE] = "DELETE FROM files WHERE ino IN (SELECT ino FROM files"
			    " INDEXED BY files_by_name WHERE gen = ?1 LIMIT ?2)",
	[STMT_FILE_LEFT] = "SELECT 1 FROM files INDEXED BY files_by_name WHERE gen = ?1 LIMIT 1",

	[STMT_LEDGER_ADD] = "INSERT INTO ledger(seq, time_ms, gen, id, cause, detail, ttl_ms,"
			    " deadline_ms, turns, sum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
			    " ?9, ?10)",
	[STMT_LEDGER_EXPIRY] = "SELECT 1 FROM ledger WHERE gen = ?1 AND cause = ?2"
			       " AND deadline_ms = ?3 LIMIT 1",
	[STMT_LEDGER_TRIM] = "DELETE FROM ledger WHERE seq <= ?1",
	[STMT_LEDGER_LAST] = "SELECT max(seq) FROM ledger",
	[STMT_LEDGER_LIST] = "SELECT seq, time_ms, gen, id, cause, detail, ttl_ms, deadline_ms,"
			     " turns, sum FROM ledger WHERE seq > ?1 ORDER BY seq",

	[STMT_COUNTS] = "SELECT (SELECT count(*) FROM threads), (SELECT count(*) FROM files)",

	[STMT_SESSION_LIST] = "SELECT opened_ms, last_ms, sum FROM sessions ORDER BY opened_ms",
	[STMT_SESSION_SET] = "REPLACE INTO sessions(opened_ms, last_ms, sum) VALUES(?1, ?2, ?3)",
	[STMT_SESSION_TRIM] = "DELETE FROM sessions WHERE opened_ms < ?1",

	[STMT_CHECK_THREADS] = "SELECT gen, id, attrs FROM threads WHERE gen > ?1 ORDER BY gen"
			       " LIMIT 500",
	[STMT_CHECK_DOCS] = "SELECT gen, revision, sum, text FROM docs WHERE gen > ?1 ORDER BY gen"
			    " LIMIT 100",
	[STMT_CHECK_FILES] = "SELECT ino, gen, name, attrs, meta, content FROM files"
			     " WHERE ino > ?1 ORDER BY ino LIMIT 100",

	[STMT_SNAPSHOT] = "BEGIN",
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_PAGES] = "PRAGMA page_count",
	[STMT_SAVEPOINT] = "SAVEPOINT one",
	[STMT_RELEASE] = "RELEASE one",
	[STMT_ROLLBACK_TO] = "ROLLBACK TO one",
};

static int pragma_int(struct conn *conn, const char *sql, int *ret)
{
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		*ret = sqlite3_column_int(stmt, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return code;
}

int schema_identify(struct conn *conn, enum schema_found *ret, int *ret_version)
{
	int id = 0, objects = 0, foreign = 0;
	int code = pragma_int(conn, "PRAGMA application_id", &id);

	if (code == SQLITE_OK)
		code = pragma_int(conn, "PRAGMA user_version", ret_version);
	if (code == SQLITE_OK)
		code = pragma_int(conn, "SELECT count(*) FROM sqlite_schema", &objects);
	if (code == SQLITE_OK)
		code = pragma_int(conn,
			"SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')",
			&foreign);
	if (code != SQLITE_OK)
		return code;

	if (objects == 0 && id == 0 && *ret_version == 0)
		*ret = SCHEMA_EMPTY;
	else if (id != SCHEMA_APPLICATION_ID || *ret_version < 1 || foreign > 0)
		*ret = SCHEMA_FOREIGN;
	else
		*ret = *ret_version > SCHEMA_VERSION ? SCHEMA_NEWER : SCHEMA_OURS;
	return SQLITE_OK;
}

int schema_create(struct conn *conn)
{
	char marks[96];

	/* Page size and journal mode cannot be set in a transaction; alone they make no store. */
	int code = conn_exec(conn, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
				   "BEGIN IMMEDIATE;");

	snprintf(marks, sizeof(marks), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
		SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
	if (code == SQLITE_OK)
		code = conn_exec(conn, tables_sql);
	if (code == SQLITE_OK)
		code = conn_exec(conn, marks);
	if (code == SQLITE_OK)
		code = conn_exec(conn, "COMMIT");
	if (code != SQLITE_OK && !sqlite3_get_autocommit(conn->db))
		conn_exec(conn, "ROLLBACK");
	return code;
}

int schema_upgrade(struct conn *conn, int from)
{
	/* There is only one version yet. The steps go here, each under BEGIN IMMEDIATE. */
	return from == SCHEMA_VERSION ? SQLITE_OK : SQLITE_ERROR;
}
