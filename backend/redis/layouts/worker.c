/*
 * What the server tells of changed keys is looked at by one thread, some keys at a time: what they
 * are now decides what the mount is told. What is known of them is doubted at once.
 */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
	BATCH = 128,
	FLUSHED_MS = 30 * 1000, /* so long it may take to see that all is gone */
	UNSURE_MS = 20, /* after so long what seems to be our own pushes is verified: F6 has 50 */
	SETTLE_MS = 8, /* what we wrote ourselves is looked at after so long, with what follows */
};

void layout_notify(struct layout_store *s, enum notice_kind kind, const struct place *place,
	const struct thread_info *info)
{
	struct store_notice notice = {.kind = kind,
		.id = place ? place->id : "",
		.gen = place ? place->gen : 0,
		.info = info};
	if (s->on_notice)
		s->on_notice(s->arg, &notice);
}

void worker_add(struct layout_store *s, struct entry *entry)
{
	if (entry->queued || !s->queueing)
		return;
	entry->queued = true;
	entry->queue_next = NULL;
	*s->queue_end = entry;
	s->queue_end = &entry->queue_next;
	pthread_cond_signal(&s->work);
}

/* Whether `since` (0: never) is less than that ago. */
static bool is_since(int64_t now, int64_t since, int64_t ms)
{
	return since && now >= since && now - since < ms;
}

/* The first in the queue, or NULL. An entry that is not due goes to its end. Under the mutex. */
static struct entry *take_due(struct layout_store *s, int64_t now, struct entry **first_young)
{
	while (s->queue) {
		struct entry *entry = s->queue;
		s->queue = entry->queue_next;
		if (!s->queue)
			s->queue_end = &s->queue;
		entry->queued = false;
		bool young = entry->writing || is_since(now, entry->wrote_ms, SETTLE_MS) ||
			     is_since(now, entry->unsure_ms, UNSURE_MS);
		if (!young)
			return entry;
		worker_add(s, entry);
		if (entry == *first_young)
			return NULL;
		if (!*first_young)
			*first_young = entry;
	}
	return NULL;
}

static size_t take_batch(struct layout_store *s, struct place *places[BATCH])
{
	struct entry *entry, *young = NULL;
	size_t count = 0;
	int64_t now = layout_now(s);
	while (count < BATCH && (entry = take_due(s, now, &young)))
		places[count++] = place_ref(entry->place);
	return count;
}

/* Until there is something to do. Under the mutex. */
static void wait_for_work(struct layout_store *s)
{
	if (s->queue && !s->stopping) { /* what is there is not due yet */
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += SETTLE_MS / 2 * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&s->work, &s->mutex, &until);
	}
	while (!s->queue && !s->sweep_wanted && !s->stopping)
		pthread_cond_wait(&s->work, &s->mutex);
}

void worker_mount_knows(struct layout_store *s)
{
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next)
		if (!e->queued)
			index_mount_knows(e);
}

/* Changes are told again, and what they were meanwhile was not. */
static void sweep(struct layout_store *s)
{
	layout_server_look(s); /* it may be another one, or one that forgot */
	int r = layout_sweep(s);
	pthread_mutex_lock(&s->mutex);
	s->sweep_failed = r < 0; /* the next tick tries again */
	bool up = s->up && r == 0;
	if (up)
		worker_mount_knows(s); /* it is to forget all that it knew */
	pthread_mutex_unlock(&s->mutex);
	if (up)
		layout_notify(s, NOTICE_UP, NULL, NULL);
}

static void *work(void *arg)
{
	struct layout_store *s = arg;
	pthread_mutex_lock(&s->mutex);
	while (!s->stopping) {
		struct place *places[BATCH];
		bool sweeps = s->sweep_wanted;
		s->sweep_wanted = false;
		size_t count = sweeps ? 0 : take_batch(s, places);
		if (!sweeps && count == 0) {
			wait_for_work(s);
			continue;
		}
		pthread_mutex_unlock(&s->mutex);
		if (sweeps)
			sweep(s);
		else
			layout_look(s, places, count);
		for (size_t i = 0; i < count; i++)
			place_unref(places[i]);
		pthread_mutex_lock(&s->mutex);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

void worker_prepare(struct layout_store *s)
{
	s->queue_end = &s->queue;
	s->queueing = true;
}

int worker_start(struct layout_store *s)
{
	int r = -pthread_create(&s->worker, NULL, work, s);
	s->worker_started = r == 0;
	return r;
}

void worker_stop(struct layout_store *s)
{
	if (!s->worker_started)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stopping = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->mutex);
	pthread_join(s->worker, NULL);
	s->worker_started = false;
}

/* FLUSHALL: everything that is known is in doubt. */
static void doubt_all(struct layout_store *s)
{
	pthread_mutex_lock(&s->mutex);
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next) {
		e->told++;
		e->fresh = false;
	}
	s->drops_until_ms = layout_now(s) + FLUSHED_MS;
	s->sweep_wanted = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->mutex);
}

void worker_on_key(void *arg, const char *key, size_t size)
{
	struct layout_store *s = arg;
	const char *thread = key;
	size_t thread_size = size;
	if (!key) {
		doubt_all(s);
		return;
	}
	if (!keys_of_side(s, key, size, &thread, &thread_size) && !keys_match(s, key, size))
		return;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_get(s, thread, thread_size);
	if (entry) {
		entry->told++;
		entry->fresh = false;
		worker_add(s, entry);
	}
	pthread_mutex_unlock(&s->mutex);
}

void worker_on_state(void *arg, bool up)
{
	struct layout_store *s = arg;
	pthread_mutex_lock(&s->mutex);
	s->up = up;
	s->ups++;
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next) {
		e->told++;
		e->fresh = false;
	}
	s->sweep_wanted = up;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->mutex);
	if (!up)
		layout_notify(s, NOTICE_DOWN, NULL, NULL);
}

void worker_on_tick(void *arg)
{
	struct layout_store *s = arg;
	redis_pool_tick(s->pool);
	if (redis_pool_is_up(s->pool, NULL))
		layout_tick(s);
}
