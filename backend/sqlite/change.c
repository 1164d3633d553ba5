/* One change of one file, in a step. */
#include "base/name.h"
#include "rules.h"
#include "step.h"

#include <errno.h>
#include <string.h>

/* The file's row, or a row whose revision is NONE if there is none. */
static int file_get(struct step *step, const char *name, struct file_row *ret)
{
	struct file_row none = {.info.revision = STORE_REVISION_NONE};
	int rc = file_find(step->txn->store, step->txn->conn, &step->info, name, ret);

	if (rc == -ENOENT)
		*ret = none;
	return rc == -ENOENT ? 0 : rc;
}

static void row_done(struct file_row *row)
{
	file_info_done(&row->info);
}
#define CLEAN_ROW __attribute__((cleanup(row_done)))

static int write_row(
	struct step *step, enum stmt which, struct file_row *row, const struct blob *content)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(step->txn->conn, which, &stmt);

	if (rc < 0)
		return rc;
	if (which == STMT_FILE_SET_CONTENT)
		file_row_bind_content(stmt, 6, row, content);
	rc = conn_error(step->txn->conn, file_row_bind(stmt, row), step->info.id);
	return rc < 0 ? rc : conn_run(step->txn->conn, stmt, step->info.id);
}

/* Sets what the change names; the row keeps its name. */
static int file_set(
	struct step *step, struct file_row *row, const struct change *change, uint64_t revision)
{
	bool content = change->set & SET_CONTENT;
	uint64_t size = row->info.size;

	rules_set_file(&row->info, change, change->set);
	row->info.revision = revision;
	row->info.ctime_ns = step->info.ctime_ns;
	int rc = write_row(
		step, content ? STMT_FILE_SET_CONTENT : STMT_FILE_SET, row, change->content);

	step->info.bytes += row->info.size - size;
	if (content && size > 0)
		step->txn->scrub = SCRUB_LATER;
	return rc;
}

static int file_drop(struct step *step, const struct file_row *row)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(step->txn->conn, STMT_FILE_DROP, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)row->info.ino);
	rc = conn_run(step->txn->conn, stmt, step->info.id);
	if (rc == 0)
		step_count(step, row->info.name, row->info.size, -1);
	step->txn->scrub = SCRUB_LATER;
	return rc;
}

static int change_put(struct step *step, const struct change *change, uint64_t revision)
{
	CLEAN_ROW struct file_row row = {0};
	int rc = file_get(step, change->name, &row);

	if (rc == 0)
		rc = rules_expect(change->expect, row.info.revision);
	if (rc < 0)
		return rc;
	if (row.info.revision != STORE_REVISION_NONE)
		return file_set(step, &row, change, revision);
	if (change->ino == 0)
		return -EINVAL;
	return step_add_file(step, change->name, change, revision);
}

static int change_remove(struct step *step, const struct change *change)
{
	CLEAN_ROW struct file_row row = {0};
	int rc = file_get(step, change->name, &row);

	if (rc == 0)
		rc = rules_expect(change->expect, row.info.revision);
	if (rc < 0 || row.info.revision == STORE_REVISION_NONE)
		return rc;
	return file_drop(step, &row);
}

/* Takes what has the new name away, if that is as expected. */
static int make_way(struct step *to, const struct change *change)
{
	CLEAN_ROW struct file_row row = {0};
	int rc = file_get(to, change->to, &row);

	if (rc == 0)
		rc = rules_expect(change->to_expect, row.info.revision);
	if (rc < 0 || row.info.revision == STORE_REVISION_NONE)
		return rc;
	return file_drop(to, &row);
}

/* The row to be renamed. */
static int rename_get(struct step *from, const struct change *change, struct file_row *ret)
{
	int rc = file_get(from, change->name, ret);

	if (rc < 0)
		return rc;
	if (ret->info.revision == STORE_REVISION_NONE)
		return change->expect == STORE_REVISION_ANY || change->expect == STORE_REVISION_NONE
			       ? -ENOENT
			       : -ESTALE;
	return rules_expect(change->expect, ret->info.revision);
}

int change_rename(
	struct step *from, struct step *to, const struct change *change, uint64_t revision)
{
	CLEAN_ROW struct file_row row = {0};
	int rc = rename_get(from, change, &row);

	if (rc < 0)
		return rc;
	if (from == to && strcmp(change->name, change->to) == 0)
		return file_set(from, &row, change, revision);
	rc = make_way(to, change);
	if (rc < 0)
		return rc;
	step_count(from, row.info.name, row.info.size, -1);
	row.gen = to->info.gen;
	strcpy(row.info.name, change->to);
	step_count(to, row.info.name, row.info.size, 1);
	rules_set_file(&row.info, change, change->set);
	row.info.revision = revision;
	row.info.ctime_ns = to->info.ctime_ns;
	rc = write_row(to, STMT_FILE_SET_NAME, &row, NULL);
	if (rc < 0 || !(change->set & SET_CONTENT))
		return rc;
	return file_set(to, &row, change, revision);
}

int change_check_number(struct step *step, const char *name)
{
	uint32_t number;
	uint64_t ino;

	if (!name_turn_parse(name, &number, NULL))
		return 0;
	int count = file_find_turns(step->txn->conn, &step->info, number, &ino);

	return count < 0 ? count : count > 1 ? -EEXIST : 0;
}

int change_do(struct step *step, const struct change *change, uint64_t revision)
{
	switch (change->kind) {
	case CHANGE_PUT:
		return change_put(step, change, revision);
	case CHANGE_REMOVE:
		return change_remove(step, change);
	case CHANGE_RENAME:
		return change_rename(step, step, change, revision);
	}
	return -EINVAL;
}
