/* A step on a thread, in the body of a transaction. */
#include "step.h"

#include "base/name.h"
#include "rules.h"

#include <errno.h>
#include <string.h>

static int doc_drop(struct txn *txn, const struct thread_info *info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, STMT_DOC_DROP, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	return conn_run(txn->conn, stmt, info->id);
}

static int doc_write(struct txn *txn, const struct thread_info *info, const struct blob *text)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	uint64_t revision = info->doc.revision;

	txn->scrub = SCRUB_LATER;
	if (!text)
		return doc_drop(txn, info);
	int rc = conn_stmt(txn->conn, STMT_DOC_SET, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)revision);
	sqlite3_bind_int64(
		stmt, 3, (sqlite3_int64)doc_row_sum(info->gen, revision, text->data, text->size));
	sqlite3_bind_blob64(stmt, 4, text->data, text->size, SQLITE_STATIC);
	return conn_run(txn->conn, stmt, info->id);
}

static int set_doc(struct step *step, const struct thread_change *change)
{
	struct thread_info *info = &step->info;

	if (change->set & SET_DOC) {
		int rc = rules_expect_doc(change->doc.expect, info->doc.revision);

		if (rc < 0)
			return rc;
		info->doc.revision = info->revision;
		info->doc.flags = change->doc.flags;
		rc = doc_write(step->txn, info, change->doc.text);
		if (rc < 0)
			return rc;
	}
	rules_set_doc(info, change);
	return 0;
}

/* Comes back to life, or is renewed, or lies where it is. */
static int step_revive(struct step *step, bool live, unsigned flags)
{
	struct txn *txn = step->txn;
	struct thread_info other;

	if (live) {
		if (flags & STORE_RENEW)
			step->info.deadline_ms = rules_deadline(txn->now_ms, step->info.ttl_ms);
		return 0;
	}
	int rc = thread_find_live(txn->store, txn->conn, step->info.id, txn->now_ms, &other);

	if (rc != -ENOENT)
		return rc; /* 0: its id has been taken since; the change is made where it lies */
	step->revived = true;
	step->info.life++;
	step->info.deadline_ms = rules_deadline(txn->now_ms, step->info.ttl_ms);
	return 0;
}

int step_open(struct step *step, struct txn *txn, struct thread_ref ref,
	const struct thread_change *change, unsigned flags, size_t count, uint64_t *ret_revision)
{
	*step = (struct step){.txn = txn};
	if (change && change->set & SET_TTL && change->ttl_ms <= 0 &&
		change->ttl_ms != STORE_TTL_NEVER)
		return -EINVAL;
	int rc = thread_get(txn->store, txn->conn, ref.gen, &step->info);

	if (rc < 0)
		return rc;
	bool live = thread_is_live(&step->info, txn->now_ms);

	step->was = step->info;
	if (!live && !(flags & STORE_REVIVE))
		return -ENOENT;
	rc = revision_take(txn, count + 1, &step->info.revision);
	if (rc < 0)
		return rc;
	*ret_revision = step->info.revision + 1;
	step->info.ctime_ns = change ? change->time_ns : txn->now_ms * 1000000;
	if (change) {
		rules_set_thread(&step->info, change);
		rc = set_doc(step, change);
	}
	return rc < 0 ? rc : step_revive(step, live, flags);
}

int step_save(struct step *step)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct txn *txn = step->txn;
	int rc = conn_stmt(txn->conn, STMT_THREAD_SET, &stmt);

	if (rc < 0)
		return rc;
	if (step->info.deadline_ms < txn->due_ms)
		txn->due_ms = step->info.deadline_ms;
	rc = conn_error(
		txn->conn, thread_row_bind(stmt, &step->info, THREAD_ROW_KEPT), step->info.id);
	if (rc == 0)
		rc = conn_run(txn->conn, stmt, step->info.id);
	return rc == 0 && step->revived ? ledger_back(txn, &step->was, &step->info) : rc;
}

void step_count(struct step *step, const char *name, uint64_t size, int sign)
{
	struct thread_info *info = &step->info;
	uint32_t number, one = sign > 0 ? 1 : UINT32_MAX;

	info->files += one;
	info->bytes += sign > 0 ? size : -size;
	step->txn->files += sign;
	if (!name_turn_parse(name, &number, NULL))
		return;
	info->turns += one;
	if (sign > 0 && number > info->last_turn)
		info->last_turn = number;
}

int step_add_file(
	struct step *step, const char *name, const struct change *change, uint64_t revision)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct txn *txn = step->txn;
	struct file_row row = {
		.gen = step->info.gen,
		.info =
			{
				.ino = change->ino,
				.revision = revision,
				.mode = change->mode,
				.uid = change->uid,
				.gid = change->gid,
				.mtime_ns = change->mtime_ns,
				.ctime_ns = step->info.ctime_ns,
				.meta = change->meta,
			},
	};
	int rc = conn_stmt(txn->conn, STMT_FILE_ADD, &stmt);

	if (rc < 0)
		return rc;
	strcpy(row.info.name, name); /* name_file_check() or name_turn_format() has measured it */
	file_row_bind_content(stmt, 6, &row, change->content);
	rc = conn_error(txn->conn, file_row_bind(stmt, &row), step->info.id);
	if (rc == 0)
		rc = conn_run(txn->conn, stmt, step->info.id);
	if (rc == 0)
		step_count(step, name, row.info.size, 1);
	return rc;
}
