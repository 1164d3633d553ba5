/* Calls that change something: done exactly once or not at all, also when a connection breaks. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <redis_lua.h>
#include <string.h>

struct writing {
	struct call call;
	const struct redis_script *script;
	const struct redis_args *args;
	size_t keys;
	bool durable; /* wait for the replicas */
	bool sent; /* from then on it may have been done */
	bool readonly_seen; /* the next server that is a replica is one too many */
};

static const struct redis_script lookup_script = {
	.name = "lookup",
	.kind = SCRIPT_READS, /* it has no token of its own */
	.text = lua_lookup,
};

/* Reads what a write that was answered came to. -EAGAIN: nothing was done, send it again. */
static int write_judge(struct writing *w, struct slot *slot, const redisReply *reply)
{
	struct reply_error error;

	if (!reply_is_error(reply))
		return 0;
	reply_error_read(reply->str, &error);
	if (error.kind != REPLY_READONLY || w->readonly_seen)
		return call_refused(&w->call, &error);
	/* The name may lead to another server by now (F2). */
	w->readonly_seen = true;
	slot_break(&w->call, slot, -ECONNRESET);
	return -EAGAIN;
}

static int write_unknown(struct writing *w)
{
	char about[ABOUT_MAX];

	call_about(&w->call, about);
	if (trouble_is_new(w->call.pool, "unknown", w->call.about))
		log_error("%swhether the last change was made is not known: the Redis server "
			  "could not be asked in time",
			about);
	return -ETIMEDOUT;
}

/* Asks what became of the slot's last write, once. -EAGAIN: to be asked again. */
static int settle_ask(struct writing *w, struct slot *slot, redisReply **ret)
{
	CLEAN_ARGS struct redis_args args = {0};
	CLEAN_ARGS struct redis_args command = {0};
	redisReply *reply = NULL;
	struct reply_error error;
	int rc = slot_connect(&w->call, slot, true);

	if (rc < 0)
		return call_unconnected(&w->call, rc);
	redis_args_add(&args, w->call.pool->tokens_key);
	redis_args_add_unsigned(&args, slot->number);
	redis_args_add_unsigned(&args, slot->sequence);
	rc = script_command(&w->call, slot, w->call.script, 1, &args, &command);
	if (rc == 0)
		rc = slot_exchange(&w->call, slot, &command, 1, &reply);
	if (rc < 0)
		return slot->link ? rc : call_broken(&w->call, rc);
	if (reply_is_error(reply)) {
		reply_error_read(reply->str, &error);
		rc = call_refused(&w->call, &error);
		freeReplyObject(reply);
		return rc;
	}
	*ret = reply;
	return 0;
}

/* {1, answer…} becomes the answer. Whether the write was done, or -EIO. */
static int settle_read(redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
		reply->element[0]->type != REDIS_REPLY_INTEGER)
		return -EIO;
	if (reply->element[0]->integer != 1)
		return 0;
	freeReplyObject(reply->element[0]);
	reply->elements--;
	memmove(reply->element, reply->element + 1, reply->elements * sizeof(*reply->element));
	return 1;
}

/*
 * The connection broke before the write was answered: whether it was done is asked on the next one.
 * 0 with its answer; -EAGAIN: it was not, and never will be; else it stays unknown.
 */
static int write_settle(struct writing *w, struct slot *slot, redisReply **ret)
{
	redisReply *reply = NULL;
	int rc;

	w->call.script = &lookup_script;
	do {
		rc = settle_ask(w, slot, &reply);
	} while (rc == -EAGAIN);
	w->call.script = w->script;
	if (rc < 0)
		return rc == -EIO || rc == -ETIMEDOUT ? write_unknown(w) : rc;
	rc = settle_read(reply);
	if (rc > 0) {
		*ret = reply;
		return 0;
	}
	freeReplyObject(reply);
	return rc == 0 ? -EAGAIN : rc;
}

/* Sends the write and, behind it, the wait for the replicas. */
static int write_send(struct writing *w, struct slot *slot, redisReply **replies)
{
	CLEAN_ARGS struct redis_args write = {0};
	CLEAN_ARGS struct redis_args wait = {0};
	int rc = script_command(&w->call, slot, w->script, w->keys, w->args, &write);

	if (rc < 0)
		return rc;
	if (wait_left_ms(w->call.deadline_ms) == 0)
		return -ETIMEDOUT;
	w->sent = true;
	replicas_command(&w->call, &wait);
	const struct redis_args both[] = {write, wait};
	return slot_exchange(&w->call, slot, both, w->durable ? 2 : 1, replies);
}

/* What a write that was sent came to, with its answer or without one. */
static int write_finish(struct writing *w, struct slot *slot, redisReply **replies)
{
	int rc = replies[0] ? write_judge(w, slot, replies[0]) : write_settle(w, slot, &replies[0]);

	if (rc == 0)
		written_note(w->call.pool, slot);
	if (rc == 0 && w->durable)
		rc = replicas_check(&w->call, slot, replies[1]);
	return rc;
}

/* One attempt, with a number of its own. -EAGAIN: nothing was done, another one may do better. */
static int write_once(struct writing *w, struct slot *slot, redisReply **ret)
{
	redisReply *replies[2] = {NULL, NULL};
	int rc = slot_connect(&w->call, slot, false);

	if (rc < 0)
		return call_unconnected(&w->call, rc);
	slot->sequence++;
	w->sent = false;
	rc = write_send(w, slot, replies);
	if (w->sent)
		rc = write_finish(w, slot, replies);
	else if (!slot->link)
		rc = call_broken(&w->call, rc);
	if (rc == 0) {
		*ret = replies[0];
		replies[0] = NULL;
	}
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
	return rc;
}

int redis_write(struct redis_pool *pool, const struct redis_script *script, size_t keys,
	const struct redis_args *args, bool durable, const char *about, redisReply **ret)
{
	struct writing w = {
		.script = script,
		.args = args,
		.keys = keys,
		.durable = durable && pool->replicas > 0,
	};
	struct slot *slot;

	call_init(&w.call, pool, about);
	w.call.script = script;
	int rc = slot_take(&w.call, &slot);
	if (rc < 0)
		return rc;
	do {
		rc = write_once(&w, slot, ret);
	} while (rc == -EAGAIN);
	tokens_keep(&w.call, slot);
	slot_give(&w.call, slot);
	return rc;
}
