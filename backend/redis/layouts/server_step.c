/* Steps on the server; see server_step.h. */
#include "server_step.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static const struct redis_script script_step = {"layout_step", SCRIPT_WRITES, lua_layout_step};

void server_step_done(struct server_step *step)
{
	redis_args_done(&step->checks);
	redis_args_done(&step->commands);
	free(step->entered.line);
}

struct redis_args *server_step_check(struct server_step *step, const char *expected, size_t words)
{
	redis_args_add(&step->checks, expected);
	redis_args_add_unsigned(&step->checks, words);
	step->check_count++;
	return &step->checks;
}

struct redis_args *server_step_check_blob(
	struct server_step *step, const struct blob *expected, size_t words)
{
	redis_args_add_blob(&step->checks, expected);
	redis_args_add_unsigned(&step->checks, words);
	step->check_count++;
	return &step->checks;
}

struct redis_args *server_step_check_number(
	struct server_step *step, uint64_t expected, size_t words)
{
	redis_args_add_unsigned(&step->checks, expected);
	redis_args_add_unsigned(&step->checks, words);
	step->check_count++;
	return &step->checks;
}

struct redis_args *server_step_command_with(
	struct server_step *step, const char *flag, size_t words)
{
	redis_args_add(&step->commands, flag);
	redis_args_add_unsigned(&step->commands, words);
	step->command_count++;
	return &step->commands;
}

struct redis_args *server_step_command(struct server_step *step, size_t words)
{
	return server_step_command_with(step, "0", words);
}

static void add_all(struct redis_args *to, const struct redis_args *from)
{
	to->failed = to->failed || from->failed;
	for (size_t i = 0; i < from->count; i++)
		redis_args_add_bytes(to, from->words[i], from->sizes[i]);
}

static size_t add_keys(struct redis_args *args, const struct keys *keys)
{
	size_t count = 3;
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	redis_args_add_bytes(args, keys->side, keys->side_size);
	redis_args_add_bytes(args, keys->files, keys->files_size);
	if (keys->session) {
		redis_args_add_bytes(args, keys->session, keys->session_size);
		count++;
	}
	if (keys->also) {
		redis_args_add_bytes(args, keys->also, keys->also_size);
		count++;
	}
	return count;
}

/* {deadline, first reply} */
static int take_answer(const redisReply *reply, int64_t *ret_deadline, uint64_t *ret_first)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[0]->type != REDIS_REPLY_INTEGER)
		return -EIO;
	const redisReply *first = reply->element[1];
	if (ret_first && (first->type != REDIS_REPLY_INTEGER || first->integer < 0))
		return -EIO;
	if (ret_deadline)
		*ret_deadline = deadline_of_reply(reply->element[0]);
	if (ret_first)
		*ret_first = (uint64_t)first->integer;
	return 0;
}

/* What is told of a thread while we change it ourselves is looked at when that is done. */
static void note_writing(struct layout_store *s, uint64_t gen, int change)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	if (entry) {
		entry->writing += (unsigned)change;
		entry->wrote_ms = layout_now(s);
	}
	pthread_mutex_unlock(&s->mutex);
}

int server_step_run(struct layout_store *s, const struct keys *keys, struct server_step *step,
	bool durable, int64_t *ret_deadline, uint64_t *ret_first)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply = NULL;
	if (s->read_only)
		return -EROFS;
	size_t count = add_keys(&args, keys);
	redis_args_add_unsigned(&args, step->check_count);
	add_all(&args, &step->checks);
	redis_args_add_unsigned(&args, step->command_count);
	add_all(&args, &step->commands);
	note_writing(s, keys->place->gen, 1);
	int r = redis_write(s->pool, &script_step, count, &args, durable, keys->place->id, &reply);
	note_writing(s, keys->place->gen, -1);
	layout_write_ended(s, r == -ESTALE ? 0 : r);
	if (r < 0)
		return r == -ESTALE ? -EAGAIN : r;
	r = take_answer(reply, ret_deadline, ret_first);
	freeReplyObject(reply);
	return r;
}

uint64_t random_number(void)
{
	uint64_t number = 0;
	while (number == 0) {
		if (getrandom(&number, sizeof(number), 0) != sizeof(number))
			number = 0;
		number &= INT64_MAX;
	}
	return number;
}
