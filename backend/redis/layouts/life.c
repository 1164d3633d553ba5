/* What a layout's own writes bring along: time to live, a session's times, a list's bound. */
#include "draft.h"

#include <errno.h>

static void expire(const char *key, size_t size, int64_t deadline_ms, struct server_step *step)
{
	bool never = deadline_ms == STORE_DEADLINE_NEVER;
	struct redis_args *args = server_step_command(step, never ? 2 : 3);
	redis_args_add(args, never ? "PERSIST" : "PEXPIREAT");
	redis_args_add_bytes(args, key, size);
	if (!never)
		redis_args_add_number(args, deadline_ms);
}

void life_deadline(const struct keys *keys, int64_t deadline_ms, bool renews, bool there,
	struct server_step *step)
{
	if (renews && there) {
		expire(keys->place->key, keys->place->key_size, deadline_ms, step);
		if (keys->session)
			expire(keys->session, keys->session_size, deadline_ms, step);
		if (keys->also)
			expire(keys->also, keys->also_size, deadline_ms, step);
	}
	expire(keys->side, keys->side_size, deadline_ms, step);
	expire(keys->files, keys->files_size, deadline_ms, step);
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
