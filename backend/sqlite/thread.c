/* Making, renaming and removing threads. */
#include "base/name.h"
#include "rules.h"
#include "step.h"

#include <errno.h>
#include <string.h>

struct create {
	const struct thread_info *info;
	struct thread_info made;
};

static int create_body(struct txn *txn, void *arg)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	struct create *c = arg;
	int rc = thread_find_live(txn->store, txn->conn, c->info->id, txn->now_ms, &c->made);

	if (rc != -ENOENT)
		return rc == 0 ? -EEXIST : rc;
	c->made = *c->info;
	c->made.deadline_ms = rules_deadline(txn->now_ms, c->info->ttl_ms);
	c->made.doc.revision = STORE_REVISION_NONE;
	c->made.life = c->made.last_turn = c->made.turns = c->made.files = 0;
	c->made.bytes = 0;
	rc = revision_take(txn, 1, &c->made.revision);
	if (rc == 0)
		rc = conn_stmt(txn->conn, STMT_THREAD_ADD, &stmt);
	if (rc < 0)
		return rc;
	rc = conn_error(txn->conn, thread_row_bind(stmt, &c->made, THREAD_ROW_KEPT), c->made.id);
	txn->threads++;
	txn->due_ms = c->made.deadline_ms;
	return rc < 0 ? rc : conn_run(txn->conn, stmt, c->made.id);
}

int sqlite_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret)
{
	struct create create = {.info = info};

	if (name_thread_check(info->id) < 0 || info->gen == 0 || info->gen > INT64_MAX ||
		(info->ttl_ms <= 0 && info->ttl_ms != STORE_TTL_NEVER))
		return -EINVAL;
	int rc = commit_body(
		sqlite_store(store), create_body, &create, flags & STORE_DURABLE, info->id);

	if (rc == 0 && ret)
		*ret = create.made;
	return rc;
}

static int run_with_gen(struct txn *txn, enum stmt which, const struct thread_info *info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, which, &stmt);

	if (rc < 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	return conn_step(txn->conn, stmt, info->id);
}

/* The row's own count is asked, and the files themselves. */
static int thread_erase(struct txn *txn, const struct thread_info *info)
{
	int rc = info->files > 0 ? 1 : run_with_gen(txn, STMT_FILE_LEFT, info);

	if (rc > 0)
		return -ENOTEMPTY;
	if (rc == 0)
		rc = run_with_gen(txn, STMT_DOC_DROP, info);
	if (rc == 0)
		rc = run_with_gen(txn, STMT_THREAD_DROP, info);
	txn->threads--;
	txn->scrub = SCRUB_LATER;
	return rc;
}

struct rename {
	struct thread_ref ref;
	const char *to;
	bool replace;
	int64_t time_ns;
	struct thread_info info;
};

/* Whether the thread may have the name `to`; an empty live one in its way is erased. */
static int make_way(struct txn *txn, const struct rename *r)
{
	struct thread_info other;
	int rc = thread_find_live(txn->store, txn->conn, r->to, txn->now_ms, &other);

	if (rc == -ENOENT || (rc == 0 && other.gen == r->ref.gen))
		return 0;
	if (rc == 0)
		rc = r->replace ? thread_erase(txn, &other) : -EEXIST;
	return rc < 0 ? rc : ledger_say(txn, LEDGER_DELETED, &other, r->to, LEDGER_REPLACED);
}

static int rename_save(struct txn *txn, const struct thread_info *info)
{
	CLEAN_STMT sqlite3_stmt *stmt = NULL;
	int rc = conn_stmt(txn->conn, STMT_THREAD_SET_ID, &stmt);

	if (rc < 0)
		return rc;
	rc = conn_error(txn->conn, thread_row_bind(stmt, info, THREAD_ROW_KEPT), info->id);
	return rc < 0 ? rc : conn_run(txn->conn, stmt, info->id);
}

static int rename_say(struct txn *txn, const struct thread_info *was, const struct thread_info *now)
{
	if (!thread_is_live(was, txn->now_ms))
		return ledger_back(txn, was, now);
	if (strcmp(was->id, now->id) == 0)
		return 0;
	return ledger_say(txn, LEDGER_RENAMED, now, was->id, now->id);
}

static int rename_body(struct txn *txn, void *arg)
{
	struct rename *r = arg;
	struct thread_info was;
	int rc = thread_get(txn->store, txn->conn, r->ref.gen, &was);

	if (rc == 0)
		rc = make_way(txn, r);
	if (rc < 0)
		return rc;
	r->info = was;
	rc = revision_take(txn, 1, &r->info.revision);
	if (rc < 0)
		return rc;
	if (!thread_is_live(&was, txn->now_ms)) {
		r->info.life++;
		r->info.deadline_ms = rules_deadline(txn->now_ms, r->info.ttl_ms);
		txn->due_ms = r->info.deadline_ms;
	}
	strcpy(r->info.id, r->to);
	r->info.ctime_ns = r->time_ns;
	rc = rename_save(txn, &r->info);
	return rc < 0 ? rc : rename_say(txn, &was, &r->info);
}

int sqlite_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret)
{
	struct rename rename = {.ref = ref, .to = to, .replace = replace, .time_ns = time_ns};

	if (name_thread_check(to) < 0)
		return -EINVAL;
	int rc = commit_body(sqlite_store(store), rename_body, &rename, true, to);

	if (rc == 0 && ret)
		*ret = rename.info;
	return rc;
}

struct removal {
	struct thread_ref ref;
	struct thread_info info;
};

static int remove_body(struct txn *txn, void *arg)
{
	struct removal *r = arg;
	int rc = thread_get(txn->store, txn->conn, r->ref.gen, &r->info);

	if (rc == 0)
		rc = thread_is_live(&r->info, txn->now_ms) ? thread_erase(txn, &r->info) : -ENOENT;
	return rc < 0 ? rc : ledger_say(txn, LEDGER_DELETED, &r->info, r->info.id, "");
}

int sqlite_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	struct removal removal = {.ref = ref};
	int rc = commit_body(sqlite_store(store), remove_body, &removal, true, ref.id);

	if (rc == 0 && ret)
		*ret = removal.info;
	return rc;
}

/*
 * Only other handles of a store are kept off by a claim, and the lock file sees to it that this
 * store has but one: that the name and its number are free is all there is to ask.
 */
int sqlite_claim(struct store *store, struct thread_ref ref, const char *name)
{
	struct sqlite_store *s = sqlite_store(store);
	struct file_row row = {0};
	struct thread_info info;
	struct conn *conn;
	uint32_t number;
	uint64_t ino;
	int rc = s->writable ? reader_get(s, &conn) : -EROFS;

	if (rc < 0)
		return rc;
	rc = thread_get(s, conn, ref.gen, &info);
	if (rc == 0 && !thread_is_live(&info, clock_now_ms(s->clock)))
		rc = -ENOENT;
	if (rc == 0 && name_turn_parse(name, &number, NULL)) {
		rc = file_find_turns(conn, &info, number, &ino);
		rc = rc > 0 ? -EEXIST : rc;
	} else if (rc == 0) {
		rc = file_find(s, conn, &info, name, &row);
		rc = rc == 0 ? -EEXIST : rc == -ENOENT ? 0 : rc;
	}
	file_info_done(&row.info);
	reader_put(s, conn);
	return rc;
}

void sqlite_unclaim(struct store *store, struct thread_ref ref, const char *name) {}
