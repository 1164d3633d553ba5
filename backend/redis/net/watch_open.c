/* Connecting the two ends of a watch: one subscribes, the other tracks keys on its behalf. */
#include "watch_inside.h"

#include "base/log.h"

#include <errno.h>

/* A line for each new way to fail; that the server is away the pool has said. */
static int watch_failed(struct redis_watch *w, int rc, const char *what, const char *why)
{
	if (rc != w->told)
		log_error("what others change in Redis is not told: %s: %s", what, why);
	w->told = rc;
	return rc;
}

/* Sends a command and reads its first reply. An error is what it means. */
static int ask(struct redis_watch *w, struct link *link, const struct redis_args *args,
	const char *what, redisReply **ret)
{
	struct reply_error error;
	int rc = link_add(link, args);

	if (rc == 0)
		rc = link_receive(link, wait_now_ms() + w->pool->timeout_ms, 0, ret);
	if (rc < 0 || !reply_is_error(*ret))
		return rc;
	reply_error_read((*ret)->str, &error);
	if (error.kind == REPLY_LATER)
		rc = -EAGAIN;
	else
		rc = watch_failed(w, error.rc == -EIO ? -EINVAL : error.rc, what,
			error.rc == -EACCES
				? error.sentence
				: "it wants Redis 6 or later, or a server that allows it");
	freeReplyObject(*ret);
	*ret = NULL;
	return rc;
}

static int ears_id(struct redis_watch *w, long long *ret)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply = NULL;

	redis_args_add(&args, "CLIENT");
	redis_args_add(&args, "ID");
	int rc = ask(w, w->ears, &args, "CLIENT ID", &reply);
	if (rc < 0)
		return rc;
	rc = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0 ? 0 : -EPROTO;
	*ret = reply->integer;
	freeReplyObject(reply);
	return rc;
}

/* Each channel is confirmed by a reply of its own. */
static int ears_subscribe(struct redis_watch *w)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply = NULL;

	redis_args_add(&args, "SUBSCRIBE");
	redis_args_add(&args, WATCH_INVALIDATE);
	if (w->options.channel)
		redis_args_add(&args, w->options.channel);
	int rc = ask(w, w->ears, &args, "SUBSCRIBE", &reply);
	freeReplyObject(reply);
	if (rc < 0 || !w->options.channel)
		return rc;
	reply = NULL;
	rc = link_receive(w->ears, wait_now_ms() + w->pool->timeout_ms, 0, &reply);
	freeReplyObject(reply);
	return rc;
}

static int eyes_track(struct redis_watch *w, long long id)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply = NULL;
	static const char *const words[] = {"CLIENT", "TRACKING", "ON", "REDIRECT"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		redis_args_add(&args, words[i]);
	redis_args_add_number(&args, id);
	redis_args_add(&args, "BCAST");
	for (const char *const *prefix = w->options.prefixes; *prefix; prefix++) {
		redis_args_add(&args, "PREFIX");
		redis_args_add(&args, *prefix);
	}
	int rc = ask(w, w->eyes, &args, "CLIENT TRACKING", &reply);
	freeReplyObject(reply);
	return rc;
}

int watch_open(struct redis_watch *w)
{
	struct errtext error = {""};
	int64_t deadline_ms = wait_now_ms() + w->pool->timeout_ms;
	long long id = 0;
	int rc = pool_link_open(w->pool, &w->waiter, deadline_ms, &w->ears, &error);

	if (rc == 0)
		rc = pool_link_open(w->pool, &w->waiter, deadline_ms, &w->eyes, &error);
	if (rc == 0)
		rc = ears_id(w, &id);
	if (rc == 0)
		rc = ears_subscribe(w);
	if (rc == 0)
		rc = eyes_track(w, id);
	return rc;
}
