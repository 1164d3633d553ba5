/* A store before a shared store that does not wait for it again and again when the mount ends. */
#include "patience.h"

#include "base/interrupt.h"

#include <stdlib.h>

struct patience {
	struct store store;
	struct store_ops ops;
	struct store *real;
	struct fs *fs;
	_Atomic int64_t
		in_vain_ms; /* when the call that ended last had waited in vain; 0: it had not */
};

static struct patience *patience_of(struct store *store)
{
	return (struct patience *)store;
}

static int64_t now_ms(void)
{
	return metric_now_ns() / 1000000;
}

static bool is_lost(struct patience *p)
{
	int64_t since = atomic_load(&p->in_vain_ms);
	return atomic_load(&p->fs->ending) && since &&
	       now_ms() - since < 2 * p->fs->options->timeout_ms;
}

/* A call that began then has ended so. Returns `rc`. */
static int ended(struct patience *p, int64_t begun_ms, int rc)
{
	bool waited = now_ms() - begun_ms >= p->fs->options->timeout_ms / 2;
	if (!interrupt_is_asked())
		atomic_store(&p->in_vain_ms, rc < 0 && waited ? now_ms() : 0);
	return rc;
}

/* OP(store, …), unless it would be waited for in vain. */
#define CALL(op, parameters, arguments)                                                            \
	static int call_##op parameters                                                            \
	{                                                                                          \
		struct patience *p = patience_of(s);                                               \
		int64_t begun = now_ms();                                                          \
		return is_lost(p) ? -ETIMEDOUT : ended(p, begun, p->real->ops->op arguments);      \
	}

CALL(reserve, (struct store * s, uint32_t count, uint64_t *ret), (p->real, count, ret))
CALL(root_get, (struct store * s, struct root_info *ret), (p->real, ret))
CALL(root_set, (struct store * s, const struct root_info *info), (p->real, info))
CALL(thread_find, (struct store * s, const char *id, struct thread_info *ret), (p->real, id, ret))
CALL(thread_stat, (struct store * s, struct thread_ref ref, struct thread_info *ret),
	(p->real, ref, ret))
CALL(thread_list,
	(struct store * s, enum thread_state state, uint64_t after, size_t limit,
		struct thread_page *ret),
	(p->real, state, after, limit, ret))
CALL(thread_create,
	(struct store * s, const struct thread_info *info, unsigned flags, struct thread_info *ret),
	(p->real, info, flags, ret))
CALL(thread_rename,
	(struct store * s, struct thread_ref ref, const char *to, bool replace, int64_t time_ns,
		struct thread_info *ret),
	(p->real, ref, to, replace, time_ns, ret))
CALL(thread_remove,
	(struct store * s, struct thread_ref ref, int64_t time_ns, struct thread_info *ret),
	(p->real, ref, time_ns, ret))
CALL(doc_read, (struct store * s, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision),
	(p->real, ref, ret, ret_revision))
CALL(file_stat, (struct store * s, struct thread_ref ref, const char *name, struct file_info *ret),
	(p->real, ref, name, ret))
CALL(turn_stat, (struct store * s, struct thread_ref ref, uint32_t number, struct file_info *ret),
	(p->real, ref, number, ret))
CALL(file_list,
	(struct store * s, struct thread_ref ref, const char *after, size_t limit, bool contents,
		struct file_page *ret),
	(p->real, ref, after, limit, contents, ret))
CALL(file_read,
	(struct store * s, struct thread_ref ref, const char *name, struct blob **ret,
		struct file_info *ret_info),
	(p->real, ref, name, ret, ret_info))
CALL(apply,
	(struct store * s, struct thread_ref ref, const struct thread_change *thread,
		struct change *changes, size_t count, unsigned flags, struct thread_info *ret),
	(p->real, ref, thread, changes, count, flags, ret))
CALL(move,
	(struct store * s, struct thread_ref from, struct thread_ref to, struct change *change,
		const struct thread_change *from_thread, const struct thread_change *to_thread,
		unsigned flags, struct thread_info *ret_from, struct thread_info *ret_to),
	(p->real, from, to, change, from_thread, to_thread, flags, ret_from, ret_to))
CALL(append,
	(struct store * s, struct thread_ref ref, const struct thread_change *thread,
		struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
		uint32_t *ret_first),
	(p->real, ref, thread, turns, count, flags, ret, ret_first))
CALL(sync, (struct store * s), (p->real))
CALL(claim, (struct store * s, struct thread_ref ref, const char *name), (p->real, ref, name))
CALL(purge, (struct store * s, int64_t grace_ms, size_t limit, size_t *ret_purged),
	(p->real, grace_ms, limit, ret_purged))
CALL(ledger_add, (struct store * s, const struct ledger_entry *entries, size_t count),
	(p->real, entries, count))
CALL(ledger_list, (struct store * s, uint64_t after, size_t limit, struct ledger_page *ret),
	(p->real, after, limit, ret))
CALL(lost_next, (struct store * s, uint64_t after, struct lost_page *ret), (p->real, after, ret))
CALL(usage, (struct store * s, struct store_usage *ret), (p->real, ret))
CALL(health, (struct store * s, bool probe, struct store_health *ret), (p->real, probe, ret))
CALL(check,
	(struct store * s, bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		uint64_t *ret_damaged, struct errtext *ret_text),
	(p->real, progress, arg, ret_damaged, ret_text))

static void call_unclaim(struct store *s, struct thread_ref ref, const char *name)
{
	struct patience *p = patience_of(s);
	if (!is_lost(p))
		store_unclaim(p->real, ref, name);
}

static int64_t call_now_ms(struct store *s)
{
	return store_now_ms(patience_of(s)->real);
}

int patience_init(struct fs *fs)
{
	if (!fs->store->ops->shared)
		return 0;
	struct patience *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	*p = (struct patience){.store.ops = &p->ops, .real = fs->store, .fs = fs};
	p->ops = (struct store_ops){
		.name = fs->store->ops->name,
		.volatile_store = fs->store->ops->volatile_store,
		.shared = true,
		.close = NULL, /* the real one is closed by who opened it */
		.now_ms = call_now_ms,
		.reserve = call_reserve,
		.root_get = call_root_get,
		.root_set = call_root_set,
		.thread_find = call_thread_find,
		.thread_stat = call_thread_stat,
		.thread_list = call_thread_list,
		.thread_create = call_thread_create,
		.thread_rename = call_thread_rename,
		.thread_remove = call_thread_remove,
		.doc_read = call_doc_read,
		.file_stat = call_file_stat,
		.turn_stat = call_turn_stat,
		.file_list = call_file_list,
		.file_read = call_file_read,
		.apply = call_apply,
		.move = call_move,
		.append = call_append,
		.sync = call_sync,
		.claim = call_claim,
		.unclaim = call_unclaim,
		.purge = call_purge,
		.ledger_add = call_ledger_add,
		.ledger_list = call_ledger_list,
		.lost_next = call_lost_next,
		.usage = call_usage,
		.health = call_health,
		.check = call_check,
	};
	fs->store = &p->store;
	return 0;
}

void patience_done(struct fs *fs)
{
	if (fs->store->ops->apply != call_apply)
		return;
	static const _Atomic uint64_t given_up = 1;
	struct patience *p = patience_of(fs->store);
	if (is_lost(p))
		interrupt_watch(
			&given_up, 1); /* closing it, on this thread, waits no more either */
	fs->store = p->real;
	free(p);
}
