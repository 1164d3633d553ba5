/* The ledger of threads that went. */
#include "inside.h"
#include "row.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int any_name(const char *name)
{
	return 0;
}

static uint64_t entry_sum(const struct ledger_entry *e)
{
	const int64_t numbers[] = {
		e->time_ms, (int64_t)e->gen, e->cause, e->ttl_ms, e->deadline_ms, e->turns};
	uint64_t sum = row_sum(numbers, sizeof(numbers), e->seq);

	sum = row_sum(e->id, strlen(e->id), sum);
	return row_sum(e->detail, strlen(e->detail), sum);
}

static int last_seq(struct conn *conn, uint64_t *ret)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_LEDGER_LAST, &stmt);

	if (rc < 0)
		return rc;
	rc = conn_step(conn, stmt, NULL);
	if (rc < 0)
		return rc;
	*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	return 0;
}

static int ledger_trim(struct conn *conn, uint64_t seq)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_LEDGER_TRIM, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq - LEDGER_MAX);
	return conn_run(conn, stmt, NULL);
}

static int ledger_put(struct txn *txn, const struct ledger_entry *entry)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct ledger_entry e = *entry;
	uint64_t seq = 0;
	int rc = last_seq(txn->conn, &seq);

	if (rc == 0)
		rc = conn_stmt(txn->conn, STMT_LEDGER_ADD, &stmt);
	if (rc < 0)
		return rc;
	e.seq = seq + 1;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)e.seq);
	sqlite3_bind_int64(stmt, 2, e.time_ms);
	sqlite3_bind_int64(stmt, 3, (sqlite3_int64)e.gen);
	sqlite3_bind_text(stmt, 4, e.id, -1, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 5, e.cause);
	sqlite3_bind_text(stmt, 6, e.detail, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 7, e.ttl_ms);
	sqlite3_bind_int64(stmt, 8, e.deadline_ms);
	sqlite3_bind_int64(stmt, 9, e.turns);
	sqlite3_bind_int64(stmt, 10, (sqlite3_int64)entry_sum(&e));
	rc = conn_run(txn->conn, stmt, e.id);
	return rc < 0 || e.seq <= LEDGER_MAX ? rc : ledger_trim(txn->conn, e.seq);
}

int ledger_say(struct txn *txn, enum ledger_cause cause, const struct thread_info *info,
	const char *id, const char *detail)
{
	const struct ledger_entry line = rules_line(cause, info, id, detail, txn->now_ms);

	return ledger_put(txn, &line);
}

/* 1: that it expired then is entered; 0: not, or so long ago that the line is dropped. */
static int has_expiry(struct txn *txn, const struct thread_info *info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, STMT_LEDGER_EXPIRY, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	sqlite3_bind_int(stmt, 2, LEDGER_EXPIRED);
	sqlite3_bind_int64(stmt, 3, info->deadline_ms);
	return conn_step(txn->conn, stmt, info->id);
}

int ledger_back(struct txn *txn, const struct thread_info *was, const struct thread_info *now)
{
	int rc = has_expiry(txn, was);

	if (rc == 0)
		rc = ledger_say(txn, LEDGER_EXPIRED, was, was->id, "");
	return rc < 0 ? rc : ledger_say(txn, LEDGER_RESTORED, now, was->id, now->id);
}

/* The step that brought it back has entered it. */
static bool has_come_back(struct txn *txn, const struct ledger_entry *line)
{
	struct thread_info info;

	return line->cause == LEDGER_EXPIRED &&
	       thread_get(txn->store, txn->conn, line->gen, &info) == 0 &&
	       info.deadline_ms > line->deadline_ms;
}

struct lines {
	const struct ledger_entry *entries;
	size_t count;
};

static int add_body(struct txn *txn, void *arg)
{
	const struct lines *lines = arg;
	int rc = 0;

	for (size_t i = 0; i < lines->count && rc >= 0; i++)
		if (!has_come_back(txn, &lines->entries[i]))
			rc = ledger_put(txn, &lines->entries[i]);
	return rc < 0 ? rc : 0;
}

int sqlite_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count)
{
	struct lines lines = {.entries = entries, .count = count};

	return count ? commit_body(sqlite_store(store), add_body, &lines, false, NULL) : 0;
}

static int text_column(sqlite3_stmt *stmt, int column, char ret[STORE_NAME_MAX + 1])
{
	if (sqlite3_column_type(stmt, column) == SQLITE_TEXT &&
		sqlite3_column_bytes(stmt, column) == 0) {
		ret[0] = '\0';
		return 0;
	}
	return row_name(stmt, column, any_name, ret);
}

static int entry_read(sqlite3_stmt *stmt, struct ledger_entry *ret)
{
	struct ledger_entry e = {
		.seq = (uint64_t)sqlite3_column_int64(stmt, 0),
		.time_ms = sqlite3_column_int64(stmt, 1),
		.gen = (uint64_t)sqlite3_column_int64(stmt, 2),
		.cause = (enum ledger_cause)sqlite3_column_int(stmt, 4),
		.ttl_ms = sqlite3_column_int64(stmt, 6),
		.deadline_ms = sqlite3_column_int64(stmt, 7),
		.turns = (uint32_t)sqlite3_column_int64(stmt, 8),
	};

	if (text_column(stmt, 3, e.id) < 0 || text_column(stmt, 5, e.detail) < 0 ||
		(uint64_t)sqlite3_column_int64(stmt, 9) != entry_sum(&e))
		return -EIO;
	*ret = e;
	return 0;
}

static int ledger_fill(struct sqlite_store *s, struct conn *conn, uint64_t after_seq, size_t limit,
	struct ledger_page *page)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(conn, STMT_LEDGER_LIST, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)after_seq);
	while ((rc = conn_step(conn, stmt, NULL)) > 0) {
		page->more = page->count == limit;
		if (page->more)
			return 0;
		if (entry_read(stmt, &page->items[page->count]) == 0)
			page->count++;
		else /* a line that is damaged is left out; nothing depends on it */
			damage_found(s, NULL, 0, "a line of the ledger");
	}
	return rc;
}

int sqlite_ledger_list(
	struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	struct sqlite_store *s = sqlite_store(store);
	struct ledger_page page = {0};
	struct conn *conn;

	if (limit > LEDGER_MAX)
		limit = LEDGER_MAX;
	page.items = calloc(limit + 1, sizeof(*page.items));
	if (!page.items)
		return -ENOMEM;
	int rc = reader_get(s, &conn);

	if (rc == 0) {
		rc = ledger_fill(s, conn, after_seq, limit, &page);
		reader_put(s, conn);
	}
	if (rc < 0)
		ledger_page_done(&page);
	else
		*ret = page;
	return rc;
}
