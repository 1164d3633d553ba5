/* Adding turns at the end: the fast path. The thread's row is read and written, rows are added. */
#include "base/name.h"
#include "step.h"

#include <errno.h>

struct append {
	struct thread_ref ref;
	const struct thread_change *thread;
	const struct turn_new *turns;
	size_t count;
	unsigned flags;
	struct thread_info info;
	uint32_t first;
	uint64_t revision;
};

static int append_turn(
	struct step *step, const struct turn_new *turn, uint32_t number, uint64_t revision)
{
	const struct change change = {
		.ino = turn->ino,
		.mode = turn->mode,
		.uid = turn->uid,
		.gid = turn->gid,
		.mtime_ns = turn->mtime_ns,
		.meta = turn->meta,
		.content = turn->content,
	};
	char name[STORE_NAME_MAX + 1];

	name_turn_format(name, number, turn->role);
	return step_add_file(step, name, &change, revision);
}

static int append_body(struct txn *txn, void *arg)
{
	struct append *a = arg;
	struct step step;
	int rc = step_open(&step, txn, a->ref, a->thread, a->flags, a->count, &a->revision);

	if (rc < 0)
		return rc;
	if (a->count > STORE_TURN_MAX - step.info.last_turn)
		return -EDQUOT;
	a->first = step.info.last_turn + 1;
	for (size_t i = 0; rc == 0 && i < a->count; i++)
		rc = append_turn(&step, &a->turns[i], a->first + (uint32_t)i, a->revision + i);
	if (rc == 0)
		rc = step_save(&step);
	a->info = step.info;
	return rc;
}

int sqlite_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	struct append a = {
		.ref = ref,
		.thread = thread,
		.turns = turns,
		.count = count,
		.flags = flags,
	};

	for (size_t i = 0; i < count; i++)
		if (!name_role_valid(turns[i].role) || turns[i].ino == 0)
			return -EINVAL;
	int rc = commit_body(sqlite_store(store), append_body, &a, flags & STORE_DURABLE, ref.id);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		turns[i].ret_revision = a.revision + i;
	if (ret)
		*ret = a.info;
	*ret_first = a.first;
	return 0;
}
