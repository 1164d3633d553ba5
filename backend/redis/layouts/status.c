/* How the layouts' store is: durability in words, what is wrong, how much there is. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int layout_sync(struct store *store)
{
	struct layout_store *s = layout_store_of(store);
	return s->read_only ? 0 : redis_sync(s->pool);
}

void layout_write_ended(struct layout_store *s, int r)
{
	bool tells = r == -EIO || r == -ENOSPC || r == -EROFS || r == -EACCES || r == -ETIMEDOUT;
	if (r < 0 && !tells)
		return;
	pthread_mutex_lock(&s->mutex);
	s->last_error = r < 0 ? r : 0;
	pthread_mutex_unlock(&s->mutex);
}

int layout_usage(struct store *store, struct store_usage *ret)
{
	struct layout_store *s = layout_store_of(store);
	pthread_mutex_lock(&s->mutex);
	uint64_t used = s->server.used_memory;
	uint64_t total = s->server.max_memory ? s->server.max_memory : s->server.system_memory;
	struct store_usage usage = {.bytes_total = total,
		.bytes_used = used,
		.bytes_free = total > used ? total - used : 0};
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next) {
		bool live = e->listed && index_is_live(s, e);
		usage.threads += live ? 1 : 0;
		usage.files += !live ? 0 : e->info ? e->info->files : e->count;
	}
	pthread_mutex_unlock(&s->mutex);
	*ret = usage;
	return 0;
}

/* What is wrong with threads, not with the server. Under the mutex. */
static void say_threads(struct layout_store *s, char *text, size_t size)
{
	uint64_t turns = 0, threads = 0;
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next) {
		threads += e->lost && !e->gone_ms ? 1 : 0;
		turns += e->gone_ms ? 0 : e->lost;
	}
	text[0] = '\0';
	if (turns)
		snprintf(text, size,
			"%llu turn%s of turnfs's in %llu thread%s written over by the chat server, "
			"which rewrites whole threads: they are kept in .turnfs/lost/ as long as "
			"their threads live",
			(unsigned long long)turns, turns == 1 ? "" : "s",
			(unsigned long long)threads, threads == 1 ? " was" : "s were");
	else if (s->broken)
		snprintf(text, size,
			"%llu key%s not what layout %s writes; the log says which, and they are "
			"not served",
			(unsigned long long)s->broken, s->broken == 1 ? " is" : "s are",
			s->layout->name);
}

/* The worst of what is wrong, and what mends it. Under the mutex. */
static void say_problem(struct layout_store *s, int down, struct store_health *health)
{
	const size_t room = sizeof(health->problem);
	char threads[256], away[REDIS_AWAY_MAX];
	say_threads(s, threads, sizeof(threads));
	redis_server_away(down, away);
	if (down)
		snprintf(health->problem, room, "%.200s %s; it is tried again at every call",
			s->storage, away);
	else if (s->server.write_refused || !threads[0])
		snprintf(health->problem, room, "%s", s->server.problem);
	else if (s->server.problem[0])
		snprintf(health->problem, room, "%s. Also: %.240s", threads, s->server.problem);
	else
		snprintf(health->problem, room, "%s", threads);
}

static void say_durability(struct layout_store *s, struct store_health *health)
{
	char limit[128] = "";
	if (s->max_turns)
		snprintf(limit, sizeof(limit),
			" The chat server keeps no more than %u turns of a thread (max_turns).",
			s->max_turns);
	snprintf(health->durability, sizeof(health->durability), "%.380s%s", s->server.durability,
		limit);
}

int layout_health(struct store *store, bool probe, struct store_health *ret)
{
	struct layout_store *s = layout_store_of(store);
	struct store_health health = {.check = "not kept by a server"};
	int down = 0;
	struct root_info root;
	pthread_mutex_lock(&s->mutex);
	bool failed = s->last_error;
	pthread_mutex_unlock(&s->mutex);
	if (probe && failed && !s->read_only && layout_root_get(store, &root) == 0)
		(void)layout_root_set(store, &root); /* what came of it is in last_error */
	if (redis_pool_is_up(s->pool, &down))
		down = 0;
	pthread_mutex_lock(&s->mutex);
	snprintf(health.storage, sizeof(health.storage), "%.380s, layout %s", s->storage,
		s->layout->name);
	say_durability(s, &health);
	say_problem(s, down, &health);
	health.error = down ? down : s->last_error;
	if (!health.error && s->server.write_refused)
		health.error = s->server.error;
	health.state = health.error	   ? HEALTH_FAILED
		       : health.problem[0] ? HEALTH_DEGRADED
					   : HEALTH_OK;
	health.damaged = s->broken;
	pthread_mutex_unlock(&s->mutex);
	*ret = health;
	return 0;
}

/* The next thread behind `after`, listed or not; 0: none. */
static uint64_t next_gen(struct layout_store *s, uint64_t after, uint64_t *ret_total)
{
	uint64_t gen = 0;
	pthread_mutex_lock(&s->mutex);
	if (index_sort(s) == 0) {
		for (size_t i = 0; i < s->sorted_count && !gen; i++)
			if (s->sorted[i]->place->gen > after && index_is_live(s, s->sorted[i]))
				gen = s->sorted[i]->place->gen;
		*ret_total = s->sorted_count;
	}
	pthread_mutex_unlock(&s->mutex);
	return gen;
}

/* How much of a thread cannot be read. */
static int verify(struct layout_store *s, uint64_t gen, uint64_t *damaged)
{
	CLEAN_IMAGE struct image *image = NULL;
	int r = layout_reload(s, gen, &image);
	if (r == -EIO)
		++*damaged;
	for (size_t i = 0; r == 0 && i < image->raw.count; i++)
		*damaged += image->raw.elements[i]->readable ? 0 : 1;
	return r == -EIO || r == -ENOENT ? 0 : r;
}

int layout_check(struct store *store, bool (*progress)(void *arg, uint64_t done, uint64_t total),
	void *arg, uint64_t *ret_damaged, struct errtext *ret_text)
{
	struct layout_store *s = layout_store_of(store);
	uint64_t damaged = 0, done = 0, total = 0;
	bool stopped = false;
	for (uint64_t gen = 0; !stopped && (gen = next_gen(s, gen, &total));) {
		int r = verify(s, gen, &damaged);
		if (r < 0)
			return errtext_set(
				ret_text, r, "%s cannot be read: %s", s->storage, strerror(-r));
		stopped = progress && progress(arg, ++done, total);
	}
	*ret_damaged = damaged;
	if (damaged)
		return errtext_set(ret_text, -EIO,
			"%llu threads or turns are not what layout %s writes; the log says which",
			(unsigned long long)damaged, s->layout->name);
	return errtext_set(ret_text, 0, "%llu threads verified%s", (unsigned long long)done,
		stopped ? " before it was stopped" : "");
}

/* Redis erases by itself, and side keys with their threads. */
int layout_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	*ret_purged = 0;
	return layout_store_of(store)->read_only ? -EROFS : 0;
}
