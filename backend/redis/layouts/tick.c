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
	int64_t asked_ms = clock_now_ms(clock_steady());
	if (redis_server_read(s->pool, s->replicas, &server) < 0)
		return;
	int64_t now = layout_now(s);
	pthread_mutex_lock(&s->mutex);
	s->asked_ms = asked_ms;
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

static void line_of_deleted(
	struct layout_store *s, const struct thread_info *info, struct ledger_entry *ret)
{
	*ret = (struct ledger_entry){
		.time_ms = layout_now(s),
		.gen = info->gen,
		.cause = LEDGER_DELETED,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.turns = info->turns,
	};
	snprintf(ret->id, sizeof(ret->id), "%s", info->id);
	snprintf(ret->detail, sizeof(ret->detail), "by the chat server or another program");
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

bool layout_vanished(
	struct layout_store *s, uint64_t gen, int64_t seen_ms, struct ledger_entry *ret)
{
	struct thread_info info;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	bool lost = entry && (entry->forgotten || s->drops_until_ms > layout_now(s));
	bool asked = s->asked_ms >= seen_ms;
	if (entry)
		layout_known(s, entry, &info);
	pthread_mutex_unlock(&s->mutex);
	if (!place)
		return false;
	if (!lost && !asked) {
		layout_server_look(s); /* nothing else tells of an eviction */
		lost = server_drops(s);
	}
	if (lost)
		say_lost(s, place, &info);
	else
		line_of_deleted(s, &info, ret);
	place_unref(place);
	return !lost;
}
