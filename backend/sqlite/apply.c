/* Changing files: apply and move. Each change is made in turn; what N2 asks is asked at the end. */
#include "base/name.h"
#include "step.h"

#include <errno.h>

static int check_names(const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (name_file_check(changes[i].name) < 0)
			return -EINVAL;
		if (changes[i].kind == CHANGE_RENAME && name_file_check(changes[i].to) < 0)
			return -EINVAL;
	}
	return 0;
}

struct apply {
	struct thread_ref ref, to;
	const struct thread_change *thread, *to_thread;
	const struct change *changes;
	size_t count;
	unsigned flags;
	struct thread_info info, to_info;
	uint64_t revision;
};

static int apply_body(struct txn *txn, void *arg)
{
	struct apply *a = arg;
	struct step step;
	int rc = step_open(&step, txn, a->ref, a->thread, a->flags, a->count, &a->revision);

	for (size_t i = 0; rc == 0 && i < a->count; i++)
		rc = change_do(&step, &a->changes[i], a->revision + i);
	for (size_t i = 0; rc == 0 && i < a->count; i++) {
		const struct change *change = &a->changes[i];

		rc = change_check_number(
			&step, change->kind == CHANGE_RENAME ? change->to : change->name);
	}
	if (rc == 0)
		rc = step_save(&step);
	a->info = step.info;
	return rc;
}

int sqlite_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret)
{
	struct apply a = {
		.ref = ref,
		.thread = thread,
		.changes = changes,
		.count = count,
		.flags = flags,
	};
	int rc = check_names(changes, count);

	if (rc == 0)
		rc = commit_body(
			sqlite_store(store), apply_body, &a, flags & STORE_DURABLE, ref.id);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (changes[i].kind != CHANGE_REMOVE)
			changes[i].ret_revision = a.revision + i;
	if (ret)
		*ret = a.info;
	return 0;
}

static int move_body(struct txn *txn, void *arg)
{
	struct apply *a = arg;
	uint64_t unused;
	struct step from, to;
	int rc = step_open(&from, txn, a->ref, a->thread, a->flags, 0, &unused);

	if (rc == 0)
		rc = step_open(&to, txn, a->to, a->to_thread, a->flags, 1, &a->revision);
	if (rc == 0)
		rc = change_rename(&from, &to, a->changes, a->revision);
	if (rc == 0)
		rc = change_check_number(&to, a->changes->to);
	if (rc == 0)
		rc = step_save(&from);
	if (rc == 0)
		rc = step_save(&to);
	if (rc < 0)
		return rc;
	a->info = from.info;
	a->to_info = to.info;
	return 0;
}

int sqlite_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	/* A thread that is moved into is live: reviving is not for this. */
	struct apply a = {
		.ref = from,
		.to = to,
		.thread = from_thread,
		.to_thread = to_thread,
		.changes = change,
		.flags = flags & ~(unsigned)STORE_REVIVE,
	};

	if (from.gen == to.gen || change->kind != CHANGE_RENAME || check_names(change, 1) < 0)
		return -EINVAL;
	int rc = commit_body(sqlite_store(store), move_body, &a, flags & STORE_DURABLE, to.id);

	if (rc < 0)
		return rc;
	change->ret_revision = a.revision;
	if (ret_from)
		*ret_from = a.info;
	if (ret_to)
		*ret_to = a.to_info;
	return 0;
}
