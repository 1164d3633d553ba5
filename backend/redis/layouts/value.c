/* Whole values told by their ends, and written into; see value.h. */
#include "value.h"

#include <string.h>

enum {
	SMALL = 4096, /* not worth it */
	FIELD_MAX = 64, /* bytes that a time takes, at the most */
	AGREE = 16, /* so many equal bytes end the field that differs */
	AROUND = 256, /* of what comes before what is added: the end of the last turn */
};

bool value_ends_read(const redisReply *reply, struct value_ends *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
		reply->element[0]->type != REDIS_REPLY_INTEGER || reply->element[0]->integer < 0 ||
		reply->element[1]->type != REDIS_REPLY_STRING ||
		reply->element[2]->type != REDIS_REPLY_STRING)
		return false;
	*ret = (struct value_ends){
		(uint64_t)reply->element[0]->integer, reply->element[1], reply->element[2]};
	return true;
}

bool value_ends_match(const struct value_ends *ends, const struct blob *value)
{
	size_t head = ends->head->len, tail = ends->tail->len;
	return ends->size == blob_size(value) && head <= ends->size && tail <= ends->size &&
	       memcmp(blob_data(value), ends->head->str, head) == 0 &&
	       memcmp(blob_data(value) + ends->size - tail, ends->tail->str, tail) == 0;
}

static size_t same_from(const struct blob *a, const struct blob *b, size_t at)
{
	size_t size = a->size < b->size ? a->size : b->size;
	for (; at + 64 <= size && memcmp(a->data + at, b->data + at, 64) == 0; at += 64)
		;
	while (at < size && a->data[at] == b->data[at])
		at++;
	return at;
}

/* Where a field that begins at `at`, of the same length in both, has ended; 0: it is none. */
static size_t field_end(const struct blob *was, const struct blob *now, size_t at)
{
	for (size_t end = at + 1; end < at + FIELD_MAX && end + AGREE <= was->size; end++)
		if (memcmp(was->data + end, now->data + end, AGREE) == 0)
			return end;
	return 0;
}

static void check_range(const struct keys *keys, const struct blob *was, size_t from, size_t to,
	struct server_step *step)
{
	redis_args_add_bytes(&step->checks, was->data + from, to - from);
	redis_args_add(&step->checks, "4");
	step->check_count++;
	redis_args_add(&step->checks, "GETRANGE");
	redis_args_add_bytes(&step->checks, keys->place->key, keys->place->key_size);
	redis_args_add_unsigned(&step->checks, from);
	redis_args_add_number(&step->checks, (int64_t)to - 1);
}

static void write_range(const struct keys *keys, const struct blob *now, size_t from, size_t to,
	struct server_step *step)
{
	struct redis_args *args = server_step_command(step, 4);
	redis_args_add(args, "SETRANGE");
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	redis_args_add_unsigned(args, from);
	redis_args_add_bytes(args, now->data + from, to - from);
}

bool value_write_into(const struct blob *was, const struct blob *now, const struct keys *keys,
	struct server_step *step)
{
	if (!was || was->size < SMALL || now->size < was->size)
		return false;
	size_t field = same_from(was, now, 0);
	size_t end = field < was->size ? field_end(was, now, field) : 0;
	size_t behind = end ? same_from(was, now, end) : 0;
	if (!behind || end + VALUE_HEAD > behind || was->size - behind > was->size / 2)
		return false;
	struct redis_args *args = server_step_check_number(step, was->size, 2);
	redis_args_add(args, "STRLEN");
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	check_range(keys, was, 0, end + VALUE_HEAD, step);
	check_range(keys, was, behind - (behind < AROUND ? behind : AROUND), was->size, step);
	write_range(
		keys, now, behind, now->size, step); /* it may be too long, then nothing is done */
	write_range(keys, now, field, end, step);
	return true;
}
