/* Calling the scripts of the own layout, and what their answers mean. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

void own_call_done(struct own_call *call)
{
	redis_args_done(&call->args);
	if (call->reply)
		freeReplyObject(call->reply);
	call->reply = NULL;
}

void own_write_begin(struct own_store *s, struct own_call *call, uint64_t gen, int64_t grace_ms,
	unsigned flags, int64_t time_ns)
{
	struct redis_args *args = &call->args;
	redis_args_add(args, s->prefix);
	redis_args_add_unsigned(args, gen);
	redis_args_add(args, s->writer);
	if (s->clock)
		redis_args_add_number(args, clock_now_ms(s->clock));
	else
		redis_args_add(args, "");
	redis_args_add_number(args, grace_ms);
	redis_args_add_unsigned(args, flags & (STORE_RENEW | STORE_REVIVE));
	redis_args_add_number(args, time_ns);
}

/* What a failed write says of the store, for health: -errno that the next one would get too. */
static void note_error(struct own_store *s, int rc)
{
	bool tells = rc == -EIO || rc == -ENOSPC || rc == -EROFS || rc == -EACCES ||
		     rc == -ETIMEDOUT || rc == -ENOMEM;
	if (rc < 0 && !tells)
		return;
	pthread_mutex_lock(&s->lock);
	s->last_error = rc < 0 ? rc : 0;
	pthread_mutex_unlock(&s->lock);
}

/*
 * A write that was not answered may have been done, or be done when the server wakes up: all that
 * is known may be wrong, and for a while what we hear of ourselves is news.
 */
static void note_unsure(struct own_store *s)
{
	pthread_mutex_lock(&s->lock);
	s->unsure_until_ms = clock_now_ms(clock_steady()) + OWN_UNSURE_MS;
	pthread_mutex_unlock(&s->lock);
	own_notice(s, &(struct store_notice){.kind = NOTICE_LOST, .id = ""});
}

bool own_is_unsure(struct own_store *s)
{
	pthread_mutex_lock(&s->lock);
	bool unsure = clock_now_ms(clock_steady()) < s->unsure_until_ms;
	pthread_mutex_unlock(&s->lock);
	return unsure;
}

int own_write(struct own_store *s, const struct redis_script *script, struct own_call *call,
	bool durable, const char *about)
{
	if (s->options.read_only || s->options.peek)
		return -EROFS;
	int rc = redis_write(s->pool, script, 0, &call->args, durable, about, &call->reply);
	note_error(s, rc);
	if (rc == -ETIMEDOUT || (rc == -EIO && durable && s->options.server.replicas))
		note_unsure(s);
	if (rc < 0)
		return rc;
	if (call->reply->type == REDIS_REPLY_ARRAY && call->reply->elements > 0)
		return 0;
	log_error("%s: the script %s answered something else than it should", s->storage,
		script->name);
	return -EIO;
}

void own_read_begin(struct own_store *s, struct own_call *call)
{
	redis_args_add(&call->args, s->prefix);
}

int own_read(struct own_store *s, const struct redis_script *script, struct own_call *call,
	const char *about)
{
	int rc = redis_read_script(s->pool, script, 0, &call->args, about, &call->reply);
	if (rc < 0)
		return rc;
	if (call->reply->type == REDIS_REPLY_ARRAY)
		return 0;
	log_error("%s: the script %s answered something else than it should", s->storage,
		script->name);
	return -EIO;
}

static bool says(const redisReply *reply, const char *word)
{
	const redisReply *first = own_string_at(reply, 0);
	return first && reply->elements == 1 && !strcmp(first->str, word);
}

int own_said(struct own_store *s, const redisReply *reply, struct thread_ref ref)
{
	if (says(reply, "lost")) {
		struct thread_info info;
		if (known_get(&s->known, ref.gen, &info))
			own_lost(s, &info);
		return -EIO;
	}
	if (says(reply, "gone"))
		return own_absent(s, ref);
	return reply->elements == 0 ? -ENOENT : 0;
}

int own_take_row(struct own_store *s, const redisReply *reply, size_t at, uint64_t gen,
	struct thread_info *ret)
{
	const redisReply *text = own_string_at(reply, at);
	struct own_row row;
	if (!text || own_row_parse(text->str, text->len, gen, &row) < 0) {
		log_error("%s: the row of the thread of generation %llu is damaged", s->storage,
			(unsigned long long)gen);
		return -EIO;
	}
	int64_t now = own_now_ms(&s->store);
	if (row.info.deadline_ms > now)
		known_seen(&s->known, &row.info);
	pthread_mutex_lock(&s->lock);
	if (row.info.revision > s->revision_seen)
		s->revision_seen = row.info.revision;
	pthread_mutex_unlock(&s->lock);
	*ret = row.info;
	/* The server has erased its keys by itself; only this row is left until the next purge. */
	return row.erase_ms <= now ? -ENOENT : 0;
}
