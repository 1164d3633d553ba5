/*
 * The store that keeps everything in memory. It is for tests, and the interface's proof: every rule
 * of backend.h in the fewest lines. One mutex guards all; nothing here blocks while it is held.
 */
#include "memory.h"

#include "memory_inside.h"
#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* 1 is the number of the mount's root directory, so none of ours. */
enum { NUMBER_BEFORE_FIRST = 1 };

int64_t memory_now(const struct memory_store *m)
{
	return clock_now_ms(m->clock);
}

int memory_write_begin(struct memory_store *m)
{
	if (m->read_only)
		return -EROFS;
	pthread_mutex_lock(&m->mutex);
	return 0;
}

void memory_write_end(struct memory_store *m)
{
	int64_t now = memory_now(m);
	if (now > m->last_commit_ms)
		m->last_commit_ms = now;
	pthread_mutex_unlock(&m->mutex);
}

static void memory_close(struct store *store)
{
	struct memory_store *m = (struct memory_store *)store;
	struct memory_thread *thread, *next;
	HASH_ITER (by_gen, m->by_gen, thread, next)
		memory_thread_erase(m, thread);
	pthread_mutex_destroy(&m->mutex);
	free(m->ledger);
	free(m);
}

static int64_t memory_now_ms(struct store *store)
{
	return memory_now((struct memory_store *)store);
}

static int memory_reserve(struct store *store, uint32_t count, uint64_t *ret_first)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	*ret_first = m->last_number + 1;
	m->last_number += count;
	memory_write_end(m);
	return 0;
}

static int memory_root_get(struct store *store, struct root_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	*ret = m->root;
	pthread_mutex_unlock(&m->mutex);
	return 0;
}

static int memory_root_set(struct store *store, const struct root_info *info)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	m->root = *info;
	memory_write_end(m);
	return 0;
}

static int memory_sync(struct store *store)
{
	return 0;
}

static void ledger_put(struct memory_store *m, const struct ledger_entry *entry)
{
	uint64_t seq = ++m->last_seq;
	m->ledger[seq % LEDGER_MAX] = *entry;
	m->ledger[seq % LEDGER_MAX].seq = seq;
}

void memory_ledger_say(struct memory_store *m, enum ledger_cause cause,
	const struct thread_info *info, const char *id, const char *detail)
{
	struct ledger_entry line = rules_line(cause, info, id, detail, memory_now(m));
	ledger_put(m, &line);
}

static bool has_expiry(const struct memory_store *m, const struct thread_info *info)
{
	uint64_t count = m->last_seq < LEDGER_MAX ? m->last_seq : LEDGER_MAX;
	for (uint64_t seq = m->last_seq; seq > m->last_seq - count; seq--) {
		const struct ledger_entry *line = &m->ledger[seq % LEDGER_MAX];
		if (line->cause == LEDGER_EXPIRED && line->gen == info->gen &&
			line->deadline_ms == info->deadline_ms)
			return true;
	}
	return false;
}

void memory_ledger_back(
	struct memory_store *m, const struct thread_info *was, const struct thread_info *now)
{
	if (!has_expiry(m, was))
		memory_ledger_say(m, LEDGER_EXPIRED, was, was->id, "");
	memory_ledger_say(m, LEDGER_RESTORED, now, was->id, now->id);
}

static bool is_due(const struct memory_thread *thread, int64_t now, int64_t grace_ms)
{
	return thread->info.deadline_ms <= now && now - thread->info.deadline_ms >= grace_ms;
}

/* From the end, up to `limit`; returns how many. */
static size_t erase_files(struct memory_listing *files, size_t limit)
{
	size_t erased = 0;
	for (; files->count > 0 && erased < limit; erased++)
		memory_file_unref(files->items[--files->count]);
	return erased;
}

/* This handle has seen every deadline pass, so grace is counted from there. */
static size_t purge_due(struct memory_store *m, int64_t grace_ms, size_t limit)
{
	size_t purged = 0;
	int64_t now = memory_now(m);
	struct memory_thread *thread, *next;
	HASH_ITER (by_gen, m->by_gen, thread, next) {
		if (purged >= limit || (!thread->erasing && !is_due(thread, now, grace_ms)))
			continue;
		thread->erasing = true;
		purged += erase_files(&thread->files, limit - purged);
		if (thread->files.count > 0 || purged >= limit)
			continue;
		memory_ledger_say(m, LEDGER_PURGED, &thread->info, thread->info.id, "");
		memory_thread_erase(m, thread);
		purged++; /* so that 0 means that nothing was left */
	}
	return purged;
}

static int memory_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	*ret_purged = memory_now(m) < m->last_commit_ms ? 0 : purge_due(m, grace_ms, limit);
	memory_write_end(m);
	return 0;
}

/* The step that brought it back has entered it. */
static bool has_come_back(struct memory_store *m, const struct ledger_entry *line)
{
	const struct memory_thread *thread = memory_thread_get(m, line->gen);
	return line->cause == LEDGER_EXPIRED && thread &&
	       thread->info.deadline_ms > line->deadline_ms;
}

static int memory_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (!has_come_back(m, &entries[i]))
			ledger_put(m, &entries[i]);
	memory_write_end(m);
	return 0;
}

static int ledger_fill(
	struct memory_store *m, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	uint64_t dropped = m->last_seq > LEDGER_MAX ? m->last_seq - LEDGER_MAX : 0;
	uint64_t from = after_seq > dropped ? after_seq : dropped;
	size_t left = from < m->last_seq ? (size_t)(m->last_seq - from) : 0;
	size_t count = left < limit ? left : limit;
	struct ledger_entry *items = calloc(count + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		items[i] = m->ledger[(from + 1 + i) % LEDGER_MAX];
	*ret = (struct ledger_page){.items = items, .count = count, .more = left > count};
	return 0;
}

static int memory_ledger_list(
	struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	int r = ledger_fill(m, after_seq, limit, ret);
	pthread_mutex_unlock(&m->mutex);
	return r;
}

static int memory_usage(struct store *store, struct store_usage *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct store_usage usage = {
		.bytes_total = page * (uint64_t)sysconf(_SC_PHYS_PAGES),
		.bytes_free = page * (uint64_t)sysconf(_SC_AVPHYS_PAGES),
	};
	pthread_mutex_lock(&m->mutex);
	for (struct memory_thread *t = m->by_gen; t; t = t->by_gen.next) {
		usage.threads++;
		usage.files += t->files.count;
		usage.bytes_used += t->files.bytes + blob_size(t->doc);
	}
	pthread_mutex_unlock(&m->mutex);
	*ret = usage;
	return 0;
}

static int memory_health(struct store *store, bool probe, struct store_health *ret)
{
	*ret = (struct store_health){
		.state = HEALTH_OK,
		.storage = "memory of this process (memory:)",
		.durability = "close() and fsync() promise nothing beyond this process: "
			      "a restart, an unmount or a crash loses everything",
		.check = "not needed",
	};
	return 0;
}

static int memory_check(struct store *store,
	bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	uint64_t *ret_damaged, struct errtext *ret_text)
{
	*ret_damaged = 0;
	return errtext_set(ret_text, 0, "a store in memory has nothing to verify");
}

static const struct store_ops memory_ops = {
	.name = "memory",
	.volatile_store = true,
	.close = memory_close,
	.now_ms = memory_now_ms,
	.reserve = memory_reserve,
	.root_get = memory_root_get,
	.root_set = memory_root_set,
	.thread_find = memory_thread_find,
	.thread_stat = memory_thread_stat,
	.thread_list = memory_thread_list,
	.thread_create = memory_thread_create,
	.thread_rename = memory_thread_rename,
	.thread_remove = memory_thread_remove,
	.doc_read = memory_doc_read,
	.file_stat = memory_file_stat,
	.turn_stat = memory_turn_stat,
	.file_list = memory_file_list,
	.file_read = memory_file_read,
	.apply = memory_apply,
	.move = memory_move,
	.append = memory_append,
	.sync = memory_sync,
	.claim = memory_claim,
	.unclaim = memory_unclaim,
	.purge = memory_purge,
	.ledger_add = memory_ledger_add,
	.ledger_list = memory_ledger_list,
	.lost_next = rules_lost_none,
	.usage = memory_usage,
	.health = memory_health,
	.check = memory_check,
};

int memory_store_open(
	const struct store_options *options, struct store **ret, struct errtext *error)
{
	struct memory_store *m = calloc(1, sizeof(*m));
	struct ledger_entry *ledger = m ? calloc(LEDGER_MAX, sizeof(*ledger)) : NULL;
	if (!ledger) {
		free(m);
		return errtext_set(error, -ENOMEM, "No memory left for a store in memory");
	}
	m->ledger = ledger;
	m->store.ops = &memory_ops;
	m->read_only = options->read_only || options->peek;
	m->clock = options->clock ? options->clock : clock_steady();
	m->last_number = NUMBER_BEFORE_FIRST;
	pthread_mutex_init(&m->mutex, NULL);
	*ret = &m->store;
	return 0;
}
