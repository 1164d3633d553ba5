/* Reading a thread whole from the server: its value or list, and what is beside it. */
#include "value.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 100 }; /* to read a value that is written all the time */

static const struct redis_script script_load = {"layout_load", SCRIPT_READS, lua_layout_load};

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* The fields of HGETALL. 0, -ENOMEM, -EIO: they are no such reply. */
static int take_side(const redisReply *reply, struct side_map *ret)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
		return -EIO;
	int r = 0;
	for (size_t i = 0; i < reply->elements && r == 0; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		if (!is_text(name) || !is_text(value))
			return -EIO;
		CLEAN_BLOB struct blob *field = blob_new(name->str, name->len);
		CLEAN_BLOB struct blob *text = blob_new(value->str, value->len);
		r = field && text ? side_put(ret, field, text) : -ENOMEM;
	}
	return r;
}

static int take_list(struct layout_store *s, const redisReply *reply, const struct image *before,
	struct raw *raw)
{
	if (reply->type != REDIS_REPLY_ARRAY)
		return -EIO;
	size_t count = reply->elements < STORE_TURN_MAX ? reply->elements : STORE_TURN_MAX;
	raw->elements = calloc(count + 1, sizeof(*raw->elements));
	if (!raw->elements)
		return -ENOMEM;
	for (; raw->count < count; raw->count++) {
		size_t at = s->layout->newest_first ? reply->elements - 1 - raw->count : raw->count;
		const redisReply *text = reply->element[at];
		CLEAN_BLOB struct blob *bytes =
			is_text(text) ? blob_new(text->str, text->len) : NULL;
		int r = bytes ? image_element(s->layout, before, raw->count, bytes,
					&raw->elements[raw->count])
			      : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

static int64_t seconds_ns(const redisReply *reply)
{
	char *end;
	double seconds = strtod(reply->str, &end);
	bool sane = *reply->str && !*end && seconds > 0 && seconds < 9e9;
	return sane ? (int64_t)(seconds * 1e9) : LAYOUT_TIME_NONE;
}

static void take_times(struct layout_store *s, const redisReply *reply, struct raw *raw)
{
	const struct layout_session *session = s->layout->session;
	for (size_t i = 0; session && i + 1 < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		if (!is_text(name) || !is_text(value))
			continue;
		if (!strcmp(name->str, session->created))
			raw->created_ns = seconds_ns(value);
		else if (!strcmp(name->str, session->updated))
			raw->updated_ns = seconds_ns(value);
	}
}

static int take(struct layout_store *s, const redisReply *reply, const struct image *before,
	struct raw *raw)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 5 ||
		!is_text(reply->element[0]) || reply->element[1]->type != REDIS_REPLY_INTEGER ||
		reply->element[4]->type != REDIS_REPLY_ARRAY)
		return -EIO;
	const char *kind = reply->element[0]->str;
	bool value = s->layout->kind == LAYOUT_VALUE;
	raw->there = !strcmp(kind, value ? "string" : "list");
	if (!raw->there && strcmp(kind, "none") != 0)
		return -EBADMSG;
	raw->deadline_ms = deadline_of_reply(reply->element[1]);
	int r = take_side(reply->element[3], &raw->side);
	take_times(s, reply->element[4], raw);
	if (r < 0 || !raw->there)
		return r;
	return value ? 0 : take_list(s, reply->element[2], before, raw);
}

/*
 * A whole value; not fetched again if it is the one that we wrote a moment ago. -EAGAIN: it is
 * another one than that whose side key was read.
 */
static int fetch_value(struct layout_store *s, const struct place *place, const redisReply *ends,
	const struct image *before, bool wrote, struct raw *raw)
{
	CLEAN_ARGS struct redis_args args = {0};
	struct value_ends told;
	redisReply *reply;
	if (!value_ends_read(ends, &told))
		return -EIO;
	if (before && wrote && value_ends_match(&told, before->raw.value) &&
		blob_equal(side_get(&raw->side, "rev"), side_get(&before->raw.side, "rev")))
		return raw_value_of(&before->raw, raw);
	redis_args_add(&args, "GET");
	redis_args_add_bytes(&args, place->key, place->key_size);
	int r = redis_read(s->pool, &args, place->id, &reply);
	if (r < 0)
		return r;
	raw->there = is_text(reply);
	if (raw->there)
		raw->value = blob_new(reply->str, reply->len);
	r = raw->there && !raw->value ? -ENOMEM : 0;
	freeReplyObject(reply);
	if (r < 0)
		return r;
	return value_ends_match(&told, raw->value) ? raw_parse(raw, s->layout, before) : -EAGAIN;
}

/* Asks for all but a whole value, and then for that. */
static int fetch_raw(struct layout_store *s, struct place *place, const struct image *before,
	bool wrote, struct raw *raw)
{
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;
	bool value = s->layout->kind == LAYOUT_VALUE;
	int r = keys_init(s, place, &keys);
	if (r < 0)
		return r;
	redis_args_add_bytes(&args, place->key, place->key_size);
	redis_args_add_bytes(&args, keys.side, keys.side_size);
	if (keys.session)
		redis_args_add_bytes(&args, keys.session, keys.session_size);
	redis_args_add(&args, value ? "string" : "list");
	redis_args_add_number(&args, VALUE_HEAD);
	redis_args_add_number(&args, VALUE_TAIL);
	r = redis_read_script(
		s->pool, &script_load, keys.session ? 3 : 2, &args, place->id, &reply);
	if (r < 0)
		return r;
	r = take(s, reply, before, raw);
	if (r == 0 && value && raw->there)
		r = fetch_value(s, place, reply->element[2], before, wrote, raw);
	freeReplyObject(reply);
	return r;
}

int layout_fetch(struct layout_store *s, struct place *place, const struct image *before,
	bool wrote, struct image **ret)
{
	struct raw raw = {0};
	int r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < ATTEMPTS; i++) {
		raw_done(&raw);
		raw.created_ns = raw.updated_ns = LAYOUT_TIME_NONE;
		r = fetch_raw(s, place, before, wrote, &raw);
	}
	if (r < 0) {
		raw_done(&raw);
		return r == -EAGAIN ? -EIO : r;
	}
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, place->gen);
	if (entry)
		index_deadline(s, entry, raw.deadline_ms, raw_ttl_said(&raw) == 0);
	pthread_mutex_unlock(&s->mutex);
	struct image_rules rules = layout_rules(s, place->gen);
	return image_build(&rules, place, &raw, ret);
}
