/* fsync(): waiting until what was written is in the server's append-only file (WAITAOF). */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void written_note(struct redis_pool *pool, const struct slot *slot)
{
	if (!slot->link)
		return;
	pthread_mutex_lock(&pool->lock);
	if (!*pool->written_run)
		snprintf(pool->written_run, sizeof(pool->written_run), "%s", slot->link->run_id);
	pthread_mutex_unlock(&pool->lock);
}

/* Takes what is to be covered: which run of the server has it, "" if there is nothing. */
static void written_take(struct redis_pool *pool, char run[RUN_MAX])
{
	pthread_mutex_lock(&pool->lock);
	memcpy(run, pool->written_run, RUN_MAX);
	*pool->written_run = '\0';
	pthread_mutex_unlock(&pool->lock);
}

/* It is not covered yet. What was written meanwhile is on the same run or on a later one. */
static void written_put_back(struct redis_pool *pool, const char run[RUN_MAX])
{
	pthread_mutex_lock(&pool->lock);
	if (*run)
		memcpy(pool->written_run, run, RUN_MAX);
	pthread_mutex_unlock(&pool->lock);
}

/*
 * A server that was started anew since something was written may have lost it: that is for the sync
 * to say, once; and it must not be made good by asking the new one (F4).
 */
static int run_check(const struct slot *slot, char run[RUN_MAX])
{
	if (!*run || strcmp(run, slot->link->run_id) == 0)
		return 0;
	*run = '\0';
	log_error("the Redis server was started anew before what was written last was known to be "
		  "on its disk: it may be lost");
	return -EIO;
}

static uint64_t sync_number(struct redis_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	uint64_t number = ++pool->syncs;
	pthread_mutex_unlock(&pool->lock);
	return number;
}

/* WAITAOF is about what its own connection wrote: so that writes something first. */
static int sync_ask(struct call *call, struct slot *slot, redisReply **replies)
{
	CLEAN_ARGS struct redis_args mark = {0};
	CLEAN_ARGS struct redis_args wait = {0};

	redis_args_add(&mark, "HSET");
	redis_args_add(&mark, call->pool->tokens_key);
	redis_args_add(&mark, "sync");
	redis_args_add_unsigned(&mark, sync_number(call->pool));
	redis_args_add(&wait, "WAITAOF");
	redis_args_add(&wait, "1");
	redis_args_add(&wait, "0");
	redis_args_add_number(&wait, wait_left_ms(call->deadline_ms) * INT64_C(9) / 10 + 1);
	const struct redis_args both[] = {mark, wait};
	return slot_exchange(call, slot, both, 2, replies);
}

/* A server without WAITAOF or without the file promises nothing that could be waited for. */
static bool has_no_file(const char *text)
{
	return strstr(text, "appendonly is disabled") ||
	       strncmp(text, "ERR unknown command", 19) == 0;
}

static int sync_refused(struct call *call, const redisReply *reply)
{
	struct reply_error error;

	if (has_no_file(reply->str))
		return 0;
	reply_error_read(reply->str, &error);
	return call_refused(call, &error);
}

static int sync_judge(struct call *call, redisReply *const *replies)
{
	for (size_t i = 0; i < 2; i++)
		if (reply_is_error(replies[i]))
			return sync_refused(call, replies[i]);
	if (replies[1]->type == REDIS_REPLY_ARRAY && replies[1]->elements > 0 &&
		replies[1]->element[0]->type == REDIS_REPLY_INTEGER &&
		replies[1]->element[0]->integer > 0)
		return 0;
	if (trouble_is_new(call->pool, "sync", ""))
		log_error(
			"the Redis server did not write its append-only file to the disk in time");
	return -EIO;
}

static int sync_once(struct call *call, struct slot *slot, char run[RUN_MAX])
{
	redisReply *replies[2] = {NULL, NULL};
	int rc = slot_connect(call, slot, false);

	if (rc < 0)
		return call_unconnected(call, rc);
	/* Where INFO is forbidden the version is unknown: it is asked, and may not know the
	 * command. */
	if (*slot->link->facts.version && !slot->link->facts.waitaof)
		return 0;
	rc = run_check(slot, run);
	if (rc < 0)
		return rc;
	rc = sync_ask(call, slot, replies);
	rc = rc < 0 ? call_broken(call, rc) : sync_judge(call, replies);
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
	return rc;
}

int redis_sync(struct redis_pool *pool)
{
	char run[RUN_MAX];
	struct call call;
	struct slot *slot;

	call_init(&call, pool, "");
	int rc = slot_take(&call, &slot);
	if (rc < 0)
		return rc;
	written_take(pool, run);
	do {
		rc = sync_once(&call, slot, run);
	} while (rc == -EAGAIN);
	if (rc < 0)
		written_put_back(pool, run);
	slot_give(&call, slot);
	return rc;
}
