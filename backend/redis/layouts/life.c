/* What a layout's own writes bring along: time to live, a session's times, a list's bound. */
#include "draft.h"

#include <errno.h>

/* At deadline_ms or, if it renews, ttl_ms from when it is done, by the server's clock. */
static void expire(const char *key, size_t size, const struct life *life, struct server_step *step)
{
	bool never = life->deadline_ms == STORE_DEADLINE_NEVER;
	const char *flag = life->renews && !never ? "d3" : "0";
	struct redis_args *args = server_step_command_with(step, flag, never ? 2 : 3);
	redis_args_add(args, never ? "PERSIST" : "PEXPIREAT");
	redis_args_add_bytes(args, key, size);
	if (!never)
		redis_args_add_number(args, life->renews ? life->ttl_ms : life->deadline_ms);
}

void life_set(
	const struct life *life, const struct keys *keys, bool there, struct server_step *step)
{
	if (!there) { /* else they follow it by themselves */
		expire(keys->side, keys->side_size, life, step);
		expire(keys->files, keys->files_size, life, step);
	} else if (life->renews || life->begins) {
		expire(keys->place->key, keys->place->key_size, life, step);
		if (keys->session)
			expire(keys->session, keys->session_size, life, step);
		if (keys->also)
			expire(keys->also, keys->also_size, life, step);
	}
}

static struct redis_args *session_field(
	const struct keys *keys, const char *command, const char *field, struct server_step *step)
{
	struct redis_args *args = server_step_command(step, 4);
	redis_args_add(args, command);
	redis_args_add_bytes(args, keys->session, keys->session_size);
	redis_args_add(args, field);
	return args;
}

void life_session(
	struct layout_store *s, const struct keys *keys, int64_t time_ns, struct server_step *step)
{
	const struct layout_session *session = s->layout->session;
	if (!session)
		return;
	int64_t seconds = time_ns / 1000000000;
	struct redis_args *args = session_field(keys, "HSET", session->id, step);
	redis_args_add_bytes(args, keys->place->text, keys->place->text_size);
	redis_args_add_number(session_field(keys, "HSETNX", session->created, step), seconds);
	redis_args_add_number(session_field(keys, "HSET", session->updated, step), seconds);
}

void life_trim(struct layout_store *s, const struct keys *keys, struct server_step *step)
{
	if (!s->layout->trims || !s->max_turns)
		return;
	struct redis_args *args = server_step_command(step, 4);
	redis_args_add(args, "LTRIM");
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	redis_args_add_number(args, -(int64_t)s->max_turns);
	redis_args_add(args, "-1");
}
