/* Calls that change nothing: sent again until they are answered or time is up. */
#include "inside.h"

#include <errno.h>

struct reading {
	struct call call;
	const struct redis_args *args;
	size_t keys; /* of a script's arguments */
};

static int read_exchange(struct reading *r, struct slot *slot, redisReply **ret)
{
	CLEAN_ARGS struct redis_args command = {0};

	if (!r->call.script)
		return slot_exchange(&r->call, slot, r->args, 1, ret);
	int rc = script_command(&r->call, slot, r->call.script, r->keys, r->args, &command);
	return rc < 0 ? rc : slot_exchange(&r->call, slot, &command, 1, ret);
}

/* One attempt. -EAGAIN: another one may do better. */
static int read_once(struct reading *r, struct slot *slot, redisReply **ret)
{
	redisReply *reply = NULL;
	struct reply_error error;
	int rc = slot_connect(&r->call, slot, false);

	if (rc < 0)
		return call_unconnected(&r->call, rc);
	rc = read_exchange(r, slot, &reply);
	if (rc < 0)
		return slot->link ? rc : call_broken(&r->call, rc);
	if (!reply_is_error(reply)) {
		*ret = reply;
		return 0;
	}
	reply_error_read(reply->str, &error);
	freeReplyObject(reply);
	return call_refused(&r->call, &error);
}

static int read_run(struct reading *r, redisReply **ret)
{
	struct slot *slot;
	int rc;

	do {
		rc = slot_take(&r->call, &slot);
		if (rc < 0)
			return rc;
		rc = read_once(r, slot, ret);
		slot_give(&r->call, slot);
	} while (rc == -EAGAIN);
	return rc;
}

int redis_read(
	struct redis_pool *pool, const struct redis_args *args, const char *about, redisReply **ret)
{
	struct reading r = {.args = args};

	call_init(&r.call, pool, about);
	return read_run(&r, ret);
}

int redis_read_script(struct redis_pool *pool, const struct redis_script *script, size_t keys,
	const struct redis_args *args, const char *about, redisReply **ret)
{
	struct reading r = {.args = args, .keys = keys};

	call_init(&r.call, pool, about);
	r.call.script = script;
	return read_run(&r, ret);
}
