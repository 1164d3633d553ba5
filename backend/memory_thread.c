/* Threads of the in-memory store: found by the number of a life, or by the name it has while live.
 */
#include "memory_inside.h"
#include "rules.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool memory_thread_is_live(struct memory_store *m, const struct memory_thread *thread)
{
	return !thread->erasing && thread->info.deadline_ms > memory_now(m);
}

static struct memory_thread *find_gen(struct memory_store *m, uint64_t gen)
{
	struct memory_thread *thread;
	HASH_FIND(by_gen, m->by_gen, &gen, sizeof(gen), thread);
	return thread;
}

struct memory_thread *memory_thread_get(struct memory_store *m, uint64_t gen)
{
	struct memory_thread *thread = find_gen(m, gen);
	return thread && !thread->erasing ? thread : NULL;
}

static struct memory_thread *find_named(struct memory_store *m, const char *id)
{
	struct memory_thread *thread;
	HASH_FIND(by_id, m->by_id, id, strlen(id), thread);
	return thread;
}

struct memory_thread *memory_thread_live(struct memory_store *m, const char *id)
{
	struct memory_thread *thread = find_named(m, id);
	return thread && memory_thread_is_live(m, thread) ? thread : NULL;
}

static void drop_name(struct memory_store *m, struct memory_thread *thread)
{
	if (thread->named)
		HASH_DELETE(by_id, m->by_id, thread);
	thread->named = false;
}

/* Makes the thread the one that its id finds; no live one may have it. */
int memory_thread_take_name(struct memory_store *m, struct memory_thread *thread)
{
	struct memory_thread *expired = find_named(m, thread->info.id);
	if (expired)
		drop_name(m, expired);
	drop_name(m, thread);
	thread->unhashed = false;
	HASH_ADD_KEYPTR(by_id, m->by_id, thread->info.id, strlen(thread->info.id), thread);
	thread->named = !thread->unhashed;
	return thread->named ? 0 : -ENOMEM;
}

static void thread_free(struct memory_thread *thread)
{
	blob_unref(thread->doc);
	listing_done(&thread->files);
	free(thread);
}

void memory_thread_erase(struct memory_store *m, struct memory_thread *thread)
{
	drop_name(m, thread);
	HASH_DELETE(by_gen, m->by_gen, thread);
	thread_free(thread);
}

static int thread_info_of(
	struct memory_store *m, const struct memory_thread *thread, struct thread_info *ret)
{
	if (thread)
		*ret = thread->info;
	return thread ? 0 : -ENOENT;
}

int memory_thread_find(struct store *store, const char *id, struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	int r = thread_info_of(m, memory_thread_live(m, id), ret);
	pthread_mutex_unlock(&m->mutex);
	return r;
}

int memory_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	int r = thread_info_of(m, memory_thread_get(m, ref.gen), ret);
	pthread_mutex_unlock(&m->mutex);
	return r;
}

static int compare_gen(const void *a, const void *b)
{
	const struct thread_info *x = a, *y = b;
	return x->gen < y->gen ? -1 : x->gen > y->gen;
}

static bool is_listed(struct memory_store *m, const struct memory_thread *thread,
	enum thread_state state, uint64_t after_gen)
{
	bool live = memory_thread_is_live(m, thread);
	return thread->info.gen > after_gen && !thread->erasing && live == (state == THREAD_LIVE);
}

/* Takes all there are, sorts them and cuts: simple, and quick enough for a test store. */
static int page_fill(struct memory_store *m, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret)
{
	size_t count = 0;
	struct thread_info *items = calloc(HASH_CNT(by_gen, m->by_gen) + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (struct memory_thread *t = m->by_gen; t; t = t->by_gen.next)
		if (is_listed(m, t, state, after_gen))
			items[count++] = t->info;
	qsort(items, count, sizeof(*items), compare_gen);
	*ret = (struct thread_page){
		.items = items, .count = count < limit ? count : limit, .more = count > limit};
	return 0;
}

int memory_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	int r = page_fill(m, state, after_gen, limit, ret);
	pthread_mutex_unlock(&m->mutex);
	return r;
}

static int thread_add(struct memory_store *m, const struct thread_info *info)
{
	if (find_gen(m, info->gen) || memory_thread_live(m, info->id))
		return -EEXIST;
	struct memory_thread *thread = calloc(1, sizeof(*thread));
	if (!thread)
		return -ENOMEM;
	thread->info = *info;
	thread->info.revision = ++m->last_revision;
	thread->info.deadline_ms = rules_deadline(memory_now(m), info->ttl_ms);
	thread->info.doc.revision = STORE_REVISION_NONE;
	thread->info.life = thread->info.last_turn = thread->info.turns = thread->info.files = 0;
	thread->info.bytes = 0;
	HASH_ADD(by_gen, m->by_gen, info.gen, sizeof(thread->info.gen), thread);
	if (thread->unhashed) {
		free(thread);
		return -ENOMEM;
	}
	int r = memory_thread_take_name(m, thread);
	if (r < 0)
		memory_thread_erase(m, thread);
	return r;
}

int memory_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	bool ttl_valid = info->ttl_ms > 0 || info->ttl_ms == STORE_TTL_NEVER;
	if (name_thread_check(info->id) < 0 || info->gen == 0 || !ttl_valid)
		return -EINVAL;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	r = thread_add(m, info);
	if (r == 0 && ret)
		*ret = memory_thread_live(m, info->id)->info;
	memory_write_end(m);
	return r;
}

/* Whether `thread` may have the name `to`; an empty live one in its way is erased. */
static int make_way(
	struct memory_store *m, const struct memory_thread *thread, const char *to, bool replace)
{
	struct memory_thread *other = memory_thread_live(m, to);
	if (!other || other == thread)
		return 0;
	if (!replace)
		return -EEXIST;
	if (other->files.count > 0)
		return -ENOTEMPTY;
	memory_ledger_say(m, LEDGER_DELETED, &other->info, to, LEDGER_REPLACED);
	memory_thread_erase(m, other);
	return 0;
}

static int thread_rename(struct memory_store *m, struct memory_thread *thread, const char *to,
	bool replace, int64_t time_ns)
{
	bool live = memory_thread_is_live(m, thread);
	const struct thread_info was = thread->info;
	int r = make_way(m, thread, to, replace);
	if (r < 0)
		return r;
	drop_name(m, thread);
	memmove(thread->info.id, to, strlen(to) + 1);
	r = memory_thread_take_name(m, thread);
	if (!live) {
		thread->info.life++;
		thread->info.deadline_ms = rules_deadline(memory_now(m), thread->info.ttl_ms);
	}
	thread->info.ctime_ns = time_ns;
	thread->info.revision = ++m->last_revision;
	if (!live)
		memory_ledger_back(m, &was, &thread->info);
	else if (strcmp(was.id, to) != 0)
		memory_ledger_say(m, LEDGER_RENAMED, &thread->info, was.id, to);
	return r;
}

int memory_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	if (name_thread_check(to) < 0)
		return -EINVAL;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	r = thread ? thread_rename(m, thread, to, replace, time_ns) : -ENOENT;
	if (r == 0 && ret)
		*ret = thread->info;
	memory_write_end(m);
	return r;
}

int memory_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	if (!thread || !memory_thread_is_live(m, thread))
		r = -ENOENT;
	else if (thread->files.count > 0)
		r = -ENOTEMPTY;
	if (r == 0) {
		if (ret)
			*ret = thread->info;
		memory_ledger_say(m, LEDGER_DELETED, &thread->info, thread->info.id, "");
		memory_thread_erase(m, thread);
	}
	memory_write_end(m);
	return r;
}

int memory_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	if (thread && ret)
		*ret = blob_ref(thread->doc);
	if (thread && ret_revision)
		*ret_revision = thread->info.doc.revision;
	pthread_mutex_unlock(&m->mutex);
	return thread ? 0 : -ENOENT;
}
