/* What has to be done now and then; and who took a thread that went before its deadline. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SERVER_EVERY_MS = 60 * 1000,
	CLAIMS_EVERY_MS = 10 * 1000,
	TIDY_EVERY_MS = 60 * 1000,
	GONE_MS = 10 * 60 * 1000, /* so long what is gone is remembered, for those who ask why */
	EVICTED_MS = 1000, /* so long what goes may be among those that an eviction took */
};

static bool is_time(struct layout_store *s, int64_t *last_ms, int64_t every_ms)
{
	int64_t now = clock_now_ms(clock_steady());
	pthread_mutex_lock(&s->mutex);
	bool due = now - *last_ms >= every_ms;
	if (due)
		*last_ms = now;
	pthread_mutex_unlock(&s->mutex);
	return due;
}

void layout_server_look(struct layout_store *s)
{
	struct redis_server server;
	if (redis_server_read(s->pool, s->replicas, &server) < 0)
		return;
	int64_t now = layout_now(s);
	pthread_mutex_lock(&s->mutex);
	struct redis_server before = s->server;
	s->server = server;
	redis_pool_facts(s->pool, &s->facts);
	bool anew = strcmp(server.run_id, before.run_id) != 0;
	s->started_anew = s->started_anew || anew;
	if (!anew && server.evicted_keys != before.evicted_keys &&
		s->drops_until_ms < now + EVICTED_MS)
		s->drops_until_ms = now + EVICTED_MS;
	pthread_mutex_unlock(&s->mutex);
	redis_server_log(&before, &server);
}

/* What the server has lost is asked for until its deadline (R5). Under the mutex. */
static bool is_over(const struct entry *entry, int64_t now)
{
	bool lost = entry->lost_data && entry->deadline_ms > now;
	return entry->gone_ms && now - entry->gone_ms > GONE_MS && !lost && !entry->queued &&
	       !entry->writing;
}

/* Forgets what went long ago. */
static void tidy(struct layout_store *s)
{
	int64_t now = layout_now(s);
	struct entry *entry, *next;
	pthread_mutex_lock(&s->mutex);
	HASH_ITER (by_gen, s->by_gen, entry, next)
		if (is_over(entry, now))
			index_forget(s, entry);
	pthread_mutex_unlock(&s->mutex);
}

void layout_tick(struct layout_store *s)
{
	pthread_mutex_lock(&s->mutex);
	if (s->sweep_failed && s->up) {
		s->sweep_failed = false;
		s->sweep_wanted = true;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->mutex);
	if (is_time(s, &s->claims_ms, CLAIMS_EVERY_MS) && !s->read_only)
		layout_claims_renew(s);
	if (is_time(s, &s->server_read_ms, SERVER_EVERY_MS))
		layout_server_look(s);
	if (is_time(s, &s->tidied_ms, TIDY_EVERY_MS))
		tidy(s);
}

/* Whether the server itself drops keys just now. */
static bool server_drops(struct layout_store *s)
{
	int64_t now = layout_now(s);
	pthread_mutex_lock(&s->mutex);
	bool drops = s->drops_until_ms > now;
	pthread_mutex_unlock(&s->mutex);
	return drops;
}

static void say_deleted(struct layout_store *s, const struct thread_info *info)
{
	struct ledger_entry line = {
		.time_ms = layout_now(s),
		.gen = info->gen,
		.cause = LEDGER_DELETED,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.turns = info->turns,
	};
	snprintf(line.id, sizeof(line.id), "%s", info->id);
	snprintf(line.detail, sizeof(line.detail), "by the chat server or another program");
	if (!s->read_only && layout_ledger_add(&s->store, &line, 1) < 0)
		log_debug("thread %s: it was deleted, and the ledger does not say so", info->id);
}

static void say_lost(struct layout_store *s, struct place *place, const struct thread_info *info)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, place->gen);
	if (entry)
		entry->lost_data = true;
	pthread_mutex_unlock(&s->mutex);
	log_error("thread %s: the server has lost it before its deadline (evicted, flushed, or "
		  "started anew without it)",
		place->id);
	layout_notify(s, NOTICE_DATA_LOST, place, info);
}

void layout_vanished(struct layout_store *s, uint64_t gen)
{
	struct thread_info info;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	bool forgotten = entry && entry->forgotten;
	if (entry)
		layout_known(s, entry, &info);
	pthread_mutex_unlock(&s->mutex);
	if (!forgotten && !server_drops(s))
		layout_server_look(s); /* an eviction tells itself by nothing else */
	if (place && (forgotten || server_drops(s)))
		say_lost(s, place, &info);
	else if (place)
		say_deleted(s, &info);
	place_unref(place);
}
