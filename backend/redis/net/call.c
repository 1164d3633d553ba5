/* One call on the pool: its deadline, what is sent and answered, and what is said of failures. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PAUSE_LEAST_MS = 10, PAUSE_MOST_MS = 200, LOADS_MAX = 4, BRIEF_LEAST_MS = 200 };

static int brief_ms(const struct redis_pool *pool)
{
	int brief = pool->timeout_ms / 10 > BRIEF_LEAST_MS ? pool->timeout_ms / 10 : BRIEF_LEAST_MS;

	return brief < pool->timeout_ms ? brief : pool->timeout_ms;
}

void call_init(struct call *call, struct redis_pool *pool, const char *about)
{
	int64_t now_ms = wait_now_ms();

	pthread_mutex_lock(&pool->lock);
	bool brief = pool->in_vain;
	pthread_mutex_unlock(&pool->lock);
	*call = (struct call){
		.pool = pool,
		.about = about ? about : "",
		.full_ms = now_ms + pool->timeout_ms,
		.deadline_ms = now_ms + (brief ? brief_ms(pool) : pool->timeout_ms),
		.pause_ms = PAUSE_LEAST_MS,
	};
}

void call_connected(struct call *call)
{
	if (!call->in_vain)
		call->deadline_ms = call->full_ms;
}

/* It ends without an answer. One that nobody wanted any more has shown nothing. */
static void call_unanswered(struct call *call)
{
	if (wait_now_ms() >= call->full_ms)
		call->in_vain = true;
}

bool call_pause(struct call *call)
{
	int64_t until = wait_now_ms() + call->pause_ms;

	if (until > call->deadline_ms)
		until = call->deadline_ms;
	if (call->pause_ms < PAUSE_MOST_MS)
		call->pause_ms *= 2;
	return wait_until(&call->pool->waiter, until) == 0 && wait_left_ms(call->deadline_ms) > 0;
}

/*
 * On a connection that was idle silence may mean that it is dead without our knowing: half of the
 * timeout is kept for another one.
 */
static int silence_ms(const struct call *call, const struct slot *slot)
{
	return slot->link->fresh ? 0 : call->pool->timeout_ms / 2;
}

int slot_exchange(struct call *call, struct slot *slot, const struct redis_args *commands,
	size_t count, redisReply **replies)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = link_add(slot->link, &commands[i]);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = link_receive(slot->link, call->deadline_ms,
			i == 0 ? silence_ms(call, slot) : 0, &replies[i]);
		slot->link->fresh = false;
	}
	if (rc == 0 && !reply_is_error(replies[0]))
		call->answered = true;
	if (rc < 0)
		slot_break(call, slot, rc);
	return rc;
}

void call_about(const struct call *call, char text[ABOUT_MAX])
{
	snprintf(text, ABOUT_MAX, *call->about ? "thread %s: " : "%s", call->about);
}

static void script_text(
	const struct call *call, const struct reply_error *error, char *text, size_t size)
{
	*text = '\0';
	if (call->script && error->line)
		snprintf(text, size, " (script %s, line %u)", call->script->name, error->line);
	else if (call->script)
		snprintf(text, size, " (script %s)", call->script->name);
}

int call_failed(struct call *call, const struct reply_error *error)
{
	char about[ABOUT_MAX], script[100];

	if (error->kind == REPLY_OURS || !trouble_is_new(call->pool, error->code, call->about))
		return error->rc;
	script_text(call, error, script, sizeof(script));
	call_about(call, about);
	log_error("%sthe Redis server answered %s%s: %s", about, error->code, script,
		error->sentence);
	return error->rc;
}

/* Whether what befell a call has not been said already by what was said of the server. */
static bool is_news(struct call *call, const char *kind)
{
	pthread_mutex_lock(&call->pool->lock);
	bool known = call->pool->stopped || call->pool->away;
	pthread_mutex_unlock(&call->pool->lock);
	return !known && trouble_is_new(call->pool, kind, call->about);
}

static void broken_log(struct call *call, int rc)
{
	char about[ABOUT_MAX];

	call_about(call, about);
	if (rc == -ETIMEDOUT && is_news(call, "silence"))
		log_error("%sthe Redis server did not answer in time", about);
	else if (rc == -EPROTO && is_news(call, "garbage"))
		log_error("%sthe Redis server answered what no Redis server does", about);
	else if (rc != -ETIMEDOUT && rc != -EPROTO && is_news(call, "broken"))
		log_error("%sthe Redis server broke off the connection", about);
}

int call_broken(struct call *call, int rc)
{
	if (rc == -ENOMEM)
		return rc;
	/* The first time the next connection is made at once. */
	if (rc != -EPROTO && wait_left_ms(call->deadline_ms) > 0 &&
		(call->breaks++ == 0 || call_pause(call)))
		return -EAGAIN;
	call_unanswered(call);
	broken_log(call, rc);
	return link_errno(rc);
}

int call_refused(struct call *call, const struct reply_error *error)
{
	if (error->kind == REPLY_NOSCRIPT && call->script && call->loads++ < LOADS_MAX) {
		script_forget(call->pool, call->script);
		return -EAGAIN;
	}
	if (error->kind == REPLY_LATER && call_pause(call))
		return -EAGAIN;
	if (error->kind == REPLY_LATER)
		call_unanswered(call);
	return call_failed(call, error);
}

int call_unconnected(struct call *call, int rc)
{
	if (rc == -EAGAIN && call_pause(call))
		return rc;
	call_unanswered(call);
	if (rc != -EAGAIN)
		return rc; /* logged as the server's being away */
	if (is_news(call, "refusal"))
		log_error("the Redis server takes no connection: %s", call->refusal.text);
	return -EIO;
}
