/* A store before the store: what a copy covers is kept before it changes. */
#include "backup_store.h"

#include "backup_copy.h"
#include "lineage.h"

#include <stdlib.h>

struct backup_store {
	struct store store;
	struct store_ops ops;
	struct store *real;
	struct fs *fs;
};

static struct store *real_of(struct store *store)
{
	return ((struct backup_store *)store)->real;
}

/* OP(store, …) as it is. */
#define PASSED(type, op, parameters, arguments)                                                    \
	static type passed_##op parameters                                                         \
	{                                                                                          \
		return real_of(s)->ops->op arguments;                                              \
	}

PASSED(int64_t, now_ms, (struct store * s), (real_of(s)))
PASSED(int, reserve, (struct store * s, uint32_t count, uint64_t *ret), (real_of(s), count, ret))
PASSED(int, root_get, (struct store * s, struct root_info *ret), (real_of(s), ret))
PASSED(int, root_set, (struct store * s, const struct root_info *info), (real_of(s), info))
PASSED(int, thread_find, (struct store * s, const char *id, struct thread_info *ret),
	(real_of(s), id, ret))
PASSED(int, thread_stat, (struct store * s, struct thread_ref ref, struct thread_info *ret),
	(real_of(s), ref, ret))
PASSED(int, thread_list,
	(struct store * s, enum thread_state state, uint64_t after, size_t limit,
		struct thread_page *ret),
	(real_of(s), state, after, limit, ret))
PASSED(int, thread_create,
	(struct store * s, const struct thread_info *info, unsigned flags, struct thread_info *ret),
	(real_of(s), info, flags, ret))
PASSED(int, doc_read,
	(struct store * s, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision),
	(real_of(s), ref, ret, ret_revision))
PASSED(int, file_stat,
	(struct store * s, struct thread_ref ref, const char *name, struct file_info *ret),
	(real_of(s), ref, name, ret))
PASSED(int, turn_stat,
	(struct store * s, struct thread_ref ref, uint32_t number, struct file_info *ret),
	(real_of(s), ref, number, ret))
PASSED(int, file_list,
	(struct store * s, struct thread_ref ref, const char *after, size_t limit, bool contents,
		struct file_page *ret),
	(real_of(s), ref, after, limit, contents, ret))
PASSED(int, file_read,
	(struct store * s, struct thread_ref ref, const char *name, struct blob **ret,
		struct file_info *ret_info),
	(real_of(s), ref, name, ret, ret_info))
PASSED(int, sync, (struct store * s), (real_of(s)))
PASSED(int, claim, (struct store * s, struct thread_ref ref, const char *name),
	(real_of(s), ref, name))
PASSED(void, unclaim, (struct store * s, struct thread_ref ref, const char *name),
	(real_of(s), ref, name))
PASSED(int, ledger_add, (struct store * s, const struct ledger_entry *entries, size_t count),
	(real_of(s), entries, count))
PASSED(int, ledger_list, (struct store * s, uint64_t after, size_t limit, struct ledger_page *ret),
	(real_of(s), after, limit, ret))
PASSED(int, lost_next, (struct store * s, uint64_t after, struct lost_page *ret),
	(real_of(s), after, ret))
PASSED(int, usage, (struct store * s, struct store_usage *ret), (real_of(s), ret))
PASSED(int, health, (struct store * s, bool probe, struct store_health *ret),
	(real_of(s), probe, ret))
PASSED(int, check,
	(struct store * s, bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		uint64_t *ret_damaged, struct errtext *ret_text),
	(real_of(s), progress, arg, ret_damaged, ret_text))

/* A change of one thread that touches no content which is there. */
static void begin(struct store *s, struct backup_change *change, struct thread_ref ref)
{
	const uint64_t gens[2] = {ref.gen};
	backup_change_begin(((struct backup_store *)s)->fs, change, gens, NULL, 0);
}

static void end(struct store *s, struct backup_change *change)
{
	backup_change_end(((struct backup_store *)s)->fs, change);
}

static int kept_thread_rename(struct store *s, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret)
{
	struct backup_change change;
	begin(s, &change, ref);
	int rc = store_thread_rename(real_of(s), ref, to, replace, time_ns, ret);
	end(s, &change);
	return rc;
}

static int kept_thread_remove(
	struct store *s, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	struct backup_change change;
	begin(s, &change, ref);
	int rc = store_thread_remove(real_of(s), ref, time_ns, ret);
	end(s, &change);
	return rc;
}

static int kept_append(struct store *s, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	struct backup_change change;
	begin(s, &change, ref);
	int rc = store_append(real_of(s), ref, thread, turns, count, flags, ret, ret_first);
	end(s, &change);
	return rc;
}

static int kept_apply(struct store *s, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret)
{
	struct fs *fs = ((struct backup_store *)s)->fs;
	const uint64_t gens[2] = {ref.gen, ref.gen};
	struct backup_change change;
	const char *few[8][2], *(*names)[2] = few;
	if (count > sizeof few / sizeof *few && !(names = calloc(count, sizeof *names)))
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		names[i][0] = changes[i].name;
		names[i][1] = changes[i].kind == CHANGE_RENAME ? changes[i].to : NULL;
	}
	backup_change_begin(fs, &change, gens, (const char *const(*)[2])names, count);
	int rc = store_apply(real_of(s), ref, thread, changes, count, flags, ret);
	if (!rc)
		lineage_note(fs, changes, count);
	backup_change_end(fs, &change);
	if (names != few)
		free(names);
	return rc;
}

static int kept_move(struct store *s, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to)
{
	struct fs *fs = ((struct backup_store *)s)->fs;
	const uint64_t gens[2] = {from.gen, to.gen};
	const char *names[1][2] = {{change->name, change->to}};
	struct backup_change both;
	backup_change_begin(fs, &both, gens, (const char *const(*)[2])names, 1);
	int rc = store_move(
		real_of(s), from, to, change, from_thread, to_thread, flags, ret_from, ret_to);
	if (!rc)
		lineage_note(fs, change, 1);
	backup_change_end(fs, &both);
	return rc;
}

static int kept_purge(struct store *s, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	backup_keep_expired(((struct backup_store *)s)->fs, grace_ms);
	return store_purge(real_of(s), grace_ms, limit, ret_purged);
}

int backup_store_init(struct fs *fs)
{
	struct backup_store *b = malloc(sizeof *b);
	if (!b)
		return -ENOMEM;
	*b = (struct backup_store){.store.ops = &b->ops, .real = fs->store, .fs = fs};
	b->ops = (struct store_ops){
		.name = fs->store->ops->name,
		.volatile_store = fs->store->ops->volatile_store,
		.shared = fs->store->ops->shared,
		.close = NULL, /* the real one is closed by who opened it */
		.now_ms = passed_now_ms,
		.reserve = passed_reserve,
		.root_get = passed_root_get,
		.root_set = passed_root_set,
		.thread_find = passed_thread_find,
		.thread_stat = passed_thread_stat,
		.thread_list = passed_thread_list,
		.thread_create = passed_thread_create,
		.thread_rename = kept_thread_rename,
		.thread_remove = kept_thread_remove,
		.doc_read = passed_doc_read,
		.file_stat = passed_file_stat,
		.turn_stat = passed_turn_stat,
		.file_list = passed_file_list,
		.file_read = passed_file_read,
		.apply = kept_apply,
		.move = kept_move,
		.append = kept_append,
		.sync = passed_sync,
		.claim = passed_claim,
		.unclaim = passed_unclaim,
		.purge = kept_purge,
		.ledger_add = passed_ledger_add,
		.ledger_list = passed_ledger_list,
		.lost_next = passed_lost_next,
		.usage = passed_usage,
		.health = passed_health,
		.check = passed_check,
	};
	fs->store = &b->store;
	return 0;
}

void backup_store_done(struct fs *fs)
{
	struct backup_store *b = (struct backup_store *)fs->store;
	if (fs->store->ops->apply != kept_apply)
		return; /* it was never put before it */
	fs->store = b->real;
	free(b);
}
