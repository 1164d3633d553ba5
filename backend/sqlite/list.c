/*
 * Lists. The names come from the indexes and each row is fetched by itself, so that a damaged row,
 * or a damaged page of rows, costs its own entries and nothing else. Such an entry is listed by its
 * name with nothing known of it (revision NONE, size 0, mode 0); reading or asking about it is EIO.
 * Damage is what does not verify: an error of reading is the page's.
 */
#include "base/log.h"
#include "base/name.h"
#include "inside.h"
#include "row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one item more in an array of `count`, doubling it. */
static int room(void **items, size_t count, size_t size)
{
	if (count & (count - 1) || (count && count < 16))
		return 0;
	void *more = realloc(*items, (count ? count * 2 : 16) * size);

	if (!more)
		return -ENOMEM;
	*items = more;
	return 0;
}

static int page_add_thread(struct thread_page *page, const struct thread_info *info)
{
	int rc = room((void **)&page->items, page->count, sizeof(*page->items));

	if (rc == 0)
		page->items[page->count++] = *info;
	return rc;
}

static bool thread_wanted(
	const struct thread_info *info, uint32_t row_state, enum thread_state state, int64_t now_ms)
{
	return row_state == THREAD_ROW_KEPT &&
	       thread_is_live(info, now_ms) == (state == THREAD_LIVE);
}

/*
 * What is left to say of a thread whose row is damaged: the name that the index has for it. 1; 0:
 * that is not to be had either; -errno.
 */
static int thread_from_index(struct conn *conn, uint64_t gen, struct thread_info *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_THREAD_NAMES, &stmt);

	while (rc >= 0 && (rc = conn_step_apart(conn, stmt, NULL)) > 0) {
		if ((uint64_t)sqlite3_column_int64(stmt, 0) != gen)
			continue;
		*ret = (struct thread_info){
			.gen = gen,
			.ttl_ms = STORE_TTL_NEVER,
			.deadline_ms = STORE_DEADLINE_NEVER,
		};
		rc = row_name(stmt, 1, name_thread_check, ret->id);
		return rc == 0 ? 1 : rc == -EIO ? 0 : rc;
	}
	return rc == -EBADMSG ? 0 : rc;
}

/* 1: *ret is to be listed; 0: not this one; -errno. */
static int thread_row_list(struct sqlite_store *s, struct conn *conn, sqlite3_stmt *stmt,
	enum thread_state state, struct thread_info *ret)
{
	uint64_t gen = (uint64_t)sqlite3_column_int64(stmt, 0);
	uint32_t row_state;

	int rc = thread_row_read(stmt, ret, &row_state);

	if (rc == 0)
		return thread_wanted(ret, row_state, state, clock_now_ms(s->clock));
	if (rc != -EIO)
		return rc;
	if (state != THREAD_LIVE)
		return 0;
	damage_found(s, NULL, gen, NULL);
	return thread_from_index(conn, gen, ret);
}

static int threads_list(struct sqlite_store *s, struct conn *conn, enum thread_state state,
	uint64_t after_gen, size_t limit, struct thread_page *page)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct thread_info info;
	int rc = conn_stmt(conn, STMT_THREAD_LIST, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)after_gen);
	while ((rc = conn_step(conn, stmt, NULL)) > 0) {
		rc = thread_row_list(s, conn, stmt, state, &info);
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		page->more = page->count == limit;
		if (page->more)
			return 0;
		rc = page_add_thread(page, &info);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int sqlite_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct thread_page page = {0};
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = threads_list(s, conn, state, after_gen, limit, &page);
	reader_put(s, conn);
	if (rc < 0)
		thread_page_done(&page);
	else
		*ret = page;
	return rc;
}

/* One file by its inode number, as the index has it; -EBADMSG if it does not verify (not logged).
 */
static int file_fetch(struct conn *conn, const struct thread_info *thread, uint64_t ino,
	const char *name, bool contents, struct file_info *ret, struct blob **ret_content)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct file_row row;
	int rc = conn_stmt(conn, contents ? STMT_FILE_GET_CONTENT : STMT_FILE_GET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)ino);
	rc = conn_step_apart(conn, stmt, thread->id);
	if (rc <= 0)
		return rc < 0 ? rc : -EBADMSG;
	rc = file_row_read(stmt, &row);
	if (rc < 0)
		return rc == -EIO ? -EBADMSG : rc;
	bool same = row.gen == thread->gen && strcmp(row.info.name, name) == 0;

	if (same && contents)
		rc = file_row_content(stmt, 5, &row, ret_content);
	if (!same || rc == -ENOMEM) {
		file_info_done(&row.info);
		return same ? rc : -EBADMSG;
	}
	*ret = row.info; /* also when only the content is damaged */
	return rc == -EIO ? -EBADMSG : rc;
}

static int page_add_file(struct sqlite_store *s, struct conn *conn,
	const struct thread_info *thread, sqlite3_stmt *names, bool contents,
	struct file_page *page)
{
	struct file_info info = {.revision = STORE_REVISION_NONE};
	struct blob *content = NULL;
	uint64_t ino = (uint64_t)sqlite3_column_int64(names, 0);
	int rc = room((void **)&page->items, page->count, sizeof(*page->items));

	if (rc == 0 && contents)
		rc = room((void **)&page->contents, page->count, sizeof(*page->contents));
	if (rc < 0)
		return rc;
	rc = row_name(names, 1, name_file_check, info.name);
	if (rc == -EIO) {
		damage_found(s, thread->id, thread->gen, NULL);
		return 0; /* a name that cannot be shown */
	}
	if (rc < 0)
		return rc;
	info.ino = ino;
	rc = file_fetch(conn, thread, ino, info.name, contents, &info, &content);
	if (rc < 0 && rc != -EBADMSG)
		return rc;
	if (rc < 0)
		damage_found(s, thread->id, thread->gen, info.name);
	page->items[page->count] = info;
	if (contents)
		page->contents[page->count] = content;
	page->count++;
	return 0;
}

static int files_list(struct sqlite_store *s, struct conn *conn, const struct thread_info *thread,
	const char *after, size_t limit, bool contents, struct file_page *page)
{
	CLEAN_STMT sqlite3_stmt *names = NULL;
	int rc = conn_stmt(conn, STMT_FILE_NAMES, &names);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(names, 1, (sqlite3_int64)thread->gen);
	sqlite3_bind_text(names, 2, after ? after : "", -1, SQLITE_STATIC);
	while ((rc = conn_step(conn, names, thread->id)) > 0) {
		page->more = page->count == limit;
		if (page->more)
			return 0;
		rc = page_add_file(s, conn, thread, names, contents, page);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int sqlite_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct file_page page = {0};
	struct thread_info thread;
	struct conn *conn;
	int rc = reader_get(s, &conn);

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &thread);
	if (rc == 0)
		rc = files_list(s, conn, &thread, after, limit, contents, &page);
	reader_put(s, conn);
	if (rc < 0)
		file_page_done(&page);
	else
		*ret = page;
	return rc;
}
