/* What backend.h says of changes, once for all stores. */
#include "rules.h"

#include <errno.h>
#include <stdio.h>

int rules_expect(uint64_t expect, uint64_t revision)
{
	if (expect == STORE_REVISION_ANY)
		return 0;
	if (expect == STORE_REVISION_NONE)
		return revision == STORE_REVISION_NONE ? 0 : -EEXIST;
	return revision == expect ? 0 : -ESTALE;
}

int rules_expect_doc(uint64_t expect, uint64_t revision)
{
	return rules_expect(expect, revision) < 0 ? -ESTALE : 0;
}

int64_t rules_deadline(int64_t now_ms, int64_t ttl_ms)
{
	int64_t deadline;
	if (ttl_ms == STORE_TTL_NEVER || __builtin_add_overflow(now_ms, ttl_ms, &deadline))
		return STORE_DEADLINE_NEVER;
	return deadline;
}

void rules_set_thread(struct thread_info *info, const struct thread_change *change)
{
	if (change->set & SET_MODE)
		info->mode = change->mode;
	if (change->set & SET_OWNER) {
		info->uid = change->uid;
		info->gid = change->gid;
	}
	if (change->set & SET_MTIME)
		info->mtime_ns = change->mtime_ns;
	if (change->set & SET_CREATED)
		info->created_ns = change->created_ns;
	if (change->set & SET_TTL)
		info->ttl_ms = change->ttl_ms;
}

void rules_set_doc(struct thread_info *info, const struct thread_change *change)
{
	const unsigned any = SET_DOC | SET_DOC_MODE | SET_DOC_OWNER | SET_DOC_MTIME;
	if (change->set & SET_DOC_MODE)
		info->doc.mode = change->doc.mode;
	if (change->set & SET_DOC_OWNER) {
		info->doc.uid = change->doc.uid;
		info->doc.gid = change->doc.gid;
	}
	if (change->set & SET_DOC_MTIME)
		info->doc.mtime_ns = change->doc.mtime_ns;
	if (change->set & any)
		info->doc.ctime_ns = change->time_ns;
}

void rules_set_file(struct file_info *info, const struct change *change, unsigned set)
{
	if (set & SET_MODE)
		info->mode = change->mode;
	if (set & SET_OWNER) {
		info->uid = change->uid;
		info->gid = change->gid;
	}
	if (set & SET_MTIME)
		info->mtime_ns = change->mtime_ns;
	if (set & SET_META) {
		blob_unref(info->meta);
		info->meta = blob_ref(change->meta);
	}
}

struct ledger_entry rules_line(enum ledger_cause cause, const struct thread_info *info,
	const char *id, const char *detail, int64_t now_ms)
{
	struct ledger_entry line = {
		.time_ms = now_ms,
		.gen = info->gen,
		.cause = cause,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.turns = cause == LEDGER_DELETED ? info->last_turn : info->turns,
	};
	snprintf(line.id, sizeof(line.id), "%s", id);
	snprintf(line.detail, sizeof(line.detail), "%s", detail);
	return line;
}

int rules_lost_none(struct store *store, uint64_t after_gen, struct lost_page *ret)
{
	return -ENOENT;
}
