/* Reading threads and files. Each operation sees one moment of the store. */
#include "base/log.h"
#include "base/name.h"
#include "inside.h"
#include "row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sqlite_thread_find(struct store *store, const char *id, struct thread_info *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_find_live(s, conn, id, clock_now_ms(s->clock), ret);
	reader_put(s, conn);
	return rc;
}

int sqlite_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, ret);
	reader_put(s, conn);
	return rc;
}

static int doc_read(struct conn *conn, struct sqlite_store *s, const struct thread_info *thread,
	struct blob **ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_DOC_GET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)thread->gen);
	rc = conn_step(conn, stmt, thread->id);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		*ret = NULL;
		return 0;
	}
	uint64_t revision = (uint64_t)sqlite3_column_int64(stmt, 0);
	const void *text = sqlite3_column_blob(stmt, 2);
	size_t size = (size_t)sqlite3_column_bytes(stmt, 2);

	if (revision != thread->doc.revision || sqlite3_column_type(stmt, 2) != SQLITE_BLOB ||
		(uint64_t)sqlite3_column_int64(stmt, 1) !=
			doc_row_sum(thread->gen, revision, text ? text : "", size))
		return damage_found(s, thread->id, thread->gen, "its document");
	struct blob *blob = blob_new(text ? text : "", size);

	if (!blob)
		return -ENOMEM;
	*ret = blob;
	return 0;
}

int sqlite_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision)
{
	struct sqlite_store *s = sqlite_store(store);
	struct thread_info thread;
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &thread);
	if (rc == 0 && ret)
		rc = doc_read(conn, s, &thread, ret);
	if (rc == 0 && ret_revision)
		*ret_revision = thread.doc.revision;
	reader_put(s, conn);
	return rc;
}

int sqlite_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct thread_info thread;
	struct file_row row;
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &thread);
	if (rc == 0)
		rc = file_find(s, conn, &thread, name, &row);
	if (rc == 0)
		*ret = row.info;
	reader_put(s, conn);
	return rc;
}

/* Steps to the file of that inode number; the row is there when it returns 0. */
static int file_seek(struct sqlite_store *s, struct conn *conn, sqlite3_stmt *stmt,
	const struct thread_info *thread, uint64_t ino, const char *name, struct file_row *ret)
{
	struct file_row row;

	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)ino);
	int rc = conn_step_apart(conn, stmt, thread->id);

	if (rc < 0 && rc != -EBADMSG)
		return rc;
	/* The index has it, so it must be there, and be what the index says. */
	rc = rc <= 0 ? -EIO : file_row_read(stmt, &row);
	if (rc == 0 && (row.gen != thread->gen || (name && strcmp(row.info.name, name) != 0))) {
		file_info_done(&row.info);
		rc = -EIO;
	}
	if (rc == 0)
		*ret = row;
	return rc == -EIO ? damage_found(s, thread->id, thread->gen, name) : rc;
}

static int turn_find(struct sqlite_store *s, struct conn *conn, const struct thread_info *thread,
	uint32_t number, struct file_row *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	uint64_t ino;
	int rc = file_find_turns(conn, thread, number, &ino);

	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = conn_stmt(conn, STMT_FILE_GET, &stmt);
	return rc < 0 ? rc : file_seek(s, conn, stmt, thread, ino, NULL, ret);
}

int sqlite_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct thread_info thread;
	struct file_row row;
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &thread);
	if (rc == 0)
		rc = turn_find(s, conn, &thread, number, &row);
	if (rc == 0)
		*ret = row.info;
	reader_put(s, conn);
	return rc;
}

static int file_read(struct sqlite_store *s, struct conn *conn, const struct thread_info *thread,
	const char *name, struct blob **ret, struct file_info *ret_info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct blob *content;
	struct file_row row;
	int rc = conn_stmt(conn, STMT_FILE_READ, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)thread->gen);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	rc = conn_step(conn, stmt, thread->id);
	if (rc <= 0)
		return rc < 0 ? rc : -ENOENT;
	rc = file_row_read(stmt, &row);
	if (rc == -EIO)
		return damage_found(s, thread->id, thread->gen, name);
	if (rc < 0)
		return rc;
	rc = file_row_content(stmt, 5, &row, &content);
	if (rc < 0) {
		file_info_done(&row.info);
		return rc == -EIO ? damage_found(s, thread->id, thread->gen, name) : rc;
	}
	*ret = content;
	if (ret_info)
		*ret_info = row.info;
	else
		file_info_done(&row.info);
	return 0;
}

int sqlite_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info)
{
	struct sqlite_store *s = sqlite_store(store);
	struct thread_info thread;
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &thread);
	if (rc == 0)
		rc = file_read(s, conn, &thread, name, ret, ret_info);
	reader_put(s, conn);
	return rc;
}
