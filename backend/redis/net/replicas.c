/* Waiting until replicas have what was written (WAIT). */
#include "inside.h"

#include "base/log.h"

#include <errno.h>

/* WAIT's own timeout ends a little before ours, so that its answer still comes. */
void replicas_command(const struct call *call, struct redis_args *ret)
{
	redis_args_add(ret, "WAIT");
	redis_args_add_unsigned(ret, call->pool->replicas);
	redis_args_add_number(ret, wait_left_ms(call->deadline_ms) * INT64_C(9) / 10 + 1);
}

static int too_few(struct call *call)
{
	char about[ABOUT_MAX];

	call_about(call, about);
	if (trouble_is_new(call->pool, "replicas", call->about))
		log_error("%sthe change was made, but fewer than %u replicas had it in time", about,
			call->pool->replicas);
	return -EIO;
}

static int reply_judge(struct call *call, const redisReply *reply)
{
	struct reply_error error;

	if (reply_is_error(reply)) {
		reply_error_read(reply->str, &error);
		call_failed(call, &error);
		return -EIO;
	}
	if (reply->type != REDIS_REPLY_INTEGER || reply->integer < call->pool->replicas)
		return too_few(call);
	return 0;
}

/* WAIT is about what its own connection wrote: so that writes something first. */
static int ask_again(struct call *call, struct slot *slot, redisReply **replies)
{
	CLEAN_ARGS struct redis_args mark = {0};
	CLEAN_ARGS struct redis_args wait = {0};

	redis_args_add(&mark, "HSET");
	redis_args_add(&mark, call->pool->tokens_key);
	redis_args_add(&mark, "replicas");
	redis_args_add_number(&mark, wait_now_ms());
	replicas_command(call, &wait);
	const struct redis_args both[] = {mark, wait};
	return slot_exchange(call, slot, both, 2, replies);
}

int replicas_check(struct call *call, struct slot *slot, const redisReply *reply)
{
	redisReply *replies[2] = {NULL, NULL};

	if (reply)
		return reply_judge(call, reply);
	int rc = slot_connect(call, slot, true);
	if (rc == 0)
		rc = ask_again(call, slot, replies);
	rc = rc < 0 ? too_few(call)
		    : reply_judge(call, replies[reply_is_error(replies[0]) ? 0 : 1]);
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
	return rc;
}
