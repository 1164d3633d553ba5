/* What has to be done every few seconds: tokens kept alive, the clock measured, idle links closed.
 */
#include "inside.h"

enum {
	EVERY_MS = 2000,
	MOST_MS = 500, /* whoever ticks has more to do */
	IDLE_MS = 60000,
	TOKENS_MS = 24 * 3600 * 1000, /* a mount that died leaves them for so long */
};

static void keep_command(const struct redis_pool *pool, struct redis_args *ret)
{
	redis_args_add(ret, "PEXPIRE");
	redis_args_add(ret, pool->tokens_key);
	redis_args_add_number(ret, TOKENS_MS);
}

/* With the first write of each connection: the next tick may never come. */
void tokens_keep(struct call *call, struct slot *slot)
{
	CLEAN_ARGS struct redis_args keep = {0};
	redisReply *reply = NULL;

	if (!slot->link || slot->link->tokens_kept)
		return;
	slot->link->tokens_kept = true;
	pthread_mutex_lock(&call->pool->lock);
	call->pool->has_tokens = true;
	pthread_mutex_unlock(&call->pool->lock);
	keep_command(call->pool, &keep);
	slot_exchange(call, slot, &keep, 1, &reply);
	freeReplyObject(reply);
}

static void tick_note(struct redis_pool *pool, const struct slot *slot)
{
	pthread_mutex_lock(&pool->lock);
	server_clock_take(&pool->clock, &slot->link->clock);
	pool->ticked_ms = wait_now_ms();
	pthread_mutex_unlock(&pool->lock);
}

static void tick_once(struct call *call, struct slot *slot)
{
	CLEAN_ARGS struct redis_args time = {0};
	CLEAN_ARGS struct redis_args keep = {0};
	redisReply *replies[2] = {NULL, NULL};

	if (slot_connect(call, slot, false) < 0)
		return;
	redis_args_add(&time, "TIME");
	keep_command(call->pool, &keep);
	const struct redis_args both[] = {time, keep};
	pthread_mutex_lock(&call->pool->lock);
	bool has_tokens = call->pool->has_tokens;
	pthread_mutex_unlock(&call->pool->lock);
	int64_t before_us = server_clock_local_us();
	if (slot_exchange(call, slot, both, has_tokens ? 2 : 1, replies) == 0) {
		server_clock_read(&slot->link->clock, replies[0], before_us);
		tick_note(call->pool, slot);
	}
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
}

static bool is_due(struct redis_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	bool due = pool->away || wait_now_ms() - pool->ticked_ms >= EVERY_MS;
	pthread_mutex_unlock(&pool->lock);
	return due;
}

void redis_pool_tick(struct redis_pool *pool)
{
	struct call call;
	struct slot *slot;

	if (!is_due(pool))
		return;
	slots_close_idle(pool, wait_now_ms() - IDLE_MS);
	call_init(&call, pool, "");
	if (pool->timeout_ms > MOST_MS)
		call.deadline_ms = wait_now_ms() + MOST_MS;
	if (slot_take(&call, &slot) < 0)
		return;
	tick_once(&call, slot);
	slot_give(&call, slot);
}
