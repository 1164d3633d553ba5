/* Reaching the server: connecting on demand, and what happens while it is away. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>

enum { RETRY_MS = 100 }; /* between two attempts, whoever makes them */

/* Whether an attempt's failure means that the server is away, and not that we lack something. */
static bool means_away(const struct redis_pool *pool, int rc, int64_t took_ms)
{
	if (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN)
		return false;
	/* A call that had little time left has not shown much. */
	return rc != -ETIMEDOUT || took_ms >= pool->timeout_ms / 4;
}

static void reached(struct redis_pool *pool, const struct link *link)
{
	pthread_mutex_lock(&pool->lock);
	bool was_away = pool->away != 0;
	pool->away = 0;
	pool->in_vain = false;
	pool->facts = link->facts;
	server_clock_take(&pool->clock, &link->clock);
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	if (was_away)
		log_notice("the Redis server is back: %s", pool->url->shown);
}

static void not_reached(struct redis_pool *pool, int rc, const struct errtext *error)
{
	int64_t now_ms = wait_now_ms();

	pthread_mutex_lock(&pool->lock);
	bool is_new = pool->away == 0 && !pool->stopped && !pool->quiet;
	if (pool->away == 0)
		pool->away_since_ms = now_ms;
	pool->away = link_errno(rc);
	pool->retry_ms = now_ms + RETRY_MS;
	pthread_mutex_unlock(&pool->lock);
	if (is_new)
		log_error("the Redis server is away: %s", error->text);
}

int pool_link_open(struct redis_pool *pool, const struct waiter *waiter, int64_t deadline_ms,
	struct link **ret, struct errtext *error)
{
	struct link_target target = pool->target;
	int64_t start_ms = wait_now_ms();

	target.waiter = waiter;
	int rc = link_open(&target, deadline_ms, ret, error);
	if (rc == 0)
		reached(pool, *ret);
	else if (means_away(pool, rc, wait_now_ms() - start_ms))
		not_reached(pool, rc, error);
	return rc;
}

static bool is_long_away(const struct redis_pool *pool, int64_t now_ms)
{
	return pool->away && now_ms - pool->away_since_ms > pool->timeout_ms;
}

/*
 * Waits for one's turn to connect: at once while the server is not known to be away, else one at a
 * time and not before retry_ms. 0, or what to fail with. Under the pool's lock.
 */
static int turn_await(struct call *call, bool patient, bool *ret_probes)
{
	struct redis_pool *pool = call->pool;

	for (;;) {
		int64_t now_ms = wait_now_ms();
		if (pool->stopped)
			return -ETIMEDOUT;
		if (pool->away == 0 && !pool->in_vain)
			return 0;
		if (!pool->probing && now_ms >= pool->retry_ms) {
			pool->probing = *ret_probes = true;
			return 0;
		}
		int away = pool->away ? pool->away : -ETIMEDOUT;
		if (!patient && (away == -EACCES || pool->in_vain || is_long_away(pool, now_ms)))
			return away;
		if (wait_left_ms(call->deadline_ms) == 0)
			return away;
		int64_t until = pool->probing ? call->deadline_ms : pool->retry_ms;
		if (until > call->deadline_ms)
			until = call->deadline_ms;
		struct timespec then = wait_timespec(wait_step_ms(until));
		pthread_cond_timedwait(&pool->changed, &pool->lock, &then);
	}
}

static void turn_end(struct redis_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->probing = false;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

/* One attempt. */
static int slot_attempt(struct call *call, struct slot *slot, bool probes)
{
	struct redis_pool *pool = call->pool;
	int rc =
		pool_link_open(pool, &pool->waiter, call->deadline_ms, &slot->link, &call->refusal);

	if (probes)
		turn_end(pool);
	return rc == -EAGAIN ? rc : rc < 0 ? link_errno(rc) : 0;
}

/* Whether an attempt's failure may pass while there is time. */
static bool may_pass(const struct call *call, int rc)
{
	return (rc == -EIO || rc == -ETIMEDOUT) && wait_left_ms(call->deadline_ms) > 0;
}

int slot_connect(struct call *call, struct slot *slot, bool patient)
{
	struct redis_pool *pool = call->pool;
	int failed = 0;

	while (!slot->link) {
		bool probes = false;
		pthread_mutex_lock(&pool->lock);
		int rc = turn_await(call, patient, &probes);
		pthread_mutex_unlock(&pool->lock);
		if (rc < 0)
			return rc;
		rc = slot_attempt(call, slot, probes);
		/* A last attempt had too little time to say more than those before it. */
		if (rc < 0 && !may_pass(call, rc))
			return rc == -ETIMEDOUT && failed ? failed : rc;
		failed = rc;
		if (rc == 0)
			call_connected(call);
	}
	return 0;
}
