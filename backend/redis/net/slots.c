/* The pool's slots: taken by one call at a time, the one used last first. */
#include "inside.h"

#include <errno.h>

void slots_init(struct redis_pool *pool)
{
	for (unsigned i = pool->connections; i > 0; i--) {
		struct slot *slot = &pool->slots[i - 1];
		slot->number = i - 1;
		slot->next = pool->empty;
		pool->empty = slot;
	}
}

void slots_done(struct redis_pool *pool)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		link_close(pool->slots[i].link);
}

static struct slot *pop(struct slot **list)
{
	struct slot *slot = *list;

	if (slot)
		*list = slot->next;
	return slot;
}

static void push(struct slot **list, struct slot *slot)
{
	slot->next = *list;
	*list = slot;
}

int slot_take(struct call *call, struct slot **ret)
{
	struct redis_pool *pool = call->pool;
	struct slot *slot = NULL;
	int rc = 0;

	pthread_mutex_lock(&pool->lock);
	while (!pool->stopped && rc == 0) {
		slot = pop(&pool->idle);
		if (!slot)
			slot = pop(&pool->empty);
		if (slot)
			break;
		struct timespec step = wait_timespec(wait_step_ms(call->deadline_ms));
		pthread_cond_timedwait(&pool->changed, &pool->lock, &step);
		rc = wait_left_ms(call->deadline_ms) > 0 ? 0 : -ETIMEDOUT;
	}
	if (rc < 0 && wait_now_ms() >= call->full_ms)
		pool->in_vain = true;
	pthread_mutex_unlock(&pool->lock);
	if (!slot)
		return -ETIMEDOUT;
	*ret = slot;
	return 0;
}

void slot_give(struct call *call, struct slot *slot)
{
	struct redis_pool *pool = call->pool;

	if (slot->link)
		slot->link->used_ms = wait_now_ms();
	pthread_mutex_lock(&pool->lock);
	push(slot->link ? &pool->idle : &pool->empty, slot);
	if (call->answered || call->in_vain)
		pool->in_vain = call->in_vain;
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

void slots_close_idle(struct redis_pool *pool, int64_t before_ms)
{
	struct link *links[CONNECTIONS_MAX];
	size_t count = 0;

	pthread_mutex_lock(&pool->lock);
	for (struct slot **at = &pool->idle; *at;) {
		struct slot *slot = *at;
		if (slot->link->used_ms >= before_ms) {
			at = &slot->next;
			continue;
		}
		*at = slot->next;
		links[count++] = slot->link;
		slot->link = NULL;
		push(&pool->empty, slot);
	}
	pthread_mutex_unlock(&pool->lock);
	while (count > 0)
		link_close(links[--count]);
}

/* If it said nothing at all the others, which have been idle for longer, are likely dead as well.
 */
void slot_break(struct call *call, struct slot *slot, int rc)
{
	link_close(slot->link);
	slot->link = NULL;
	slots_close_idle(call->pool, rc == -ENOMEM ? 0 : INT64_MAX);
}
