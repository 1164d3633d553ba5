/* Looking at keys that something was told of, and telling the mount what of it is news (F6). */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct redis_script script_follow = {
	"layout_follow", SCRIPT_WRITES, lua_layout_follow};
static const struct redis_script script_peek = {"layout_peek", SCRIPT_READS, lua_layout_peek};

/* What the mount knew of a thread, and what it must be told after a look. */
struct look {
	struct place *place;
	struct keys keys;
	bool whole; /* only reading it whole tells */
	bool side; /* it has a side key */
	bool was_there, was_listed, blind, quiet, wrote;
	uint64_t digest;
	int64_t deadline_ms;
	uint32_t count;
	bool follows; /* its side key is to live as long as it does */
};

/* Under the mutex. False: it is gone from the index. */
static bool look_begin(struct layout_store *s, struct look *look)
{
	struct entry *e = index_find_gen(s, look->place->gen);
	if (!e)
		return false;
	bool usual = layout_id_usual(s->layout, e->place->text, e->place->text_size);
	look->blind = e->blind && !e->side_told;
	look->wrote = e->wrote_ms != 0;
	look->whole = e->ours || e->broken || !usual || (look->wrote && !e->blind);
	look->was_there = !e->gone_ms;
	look->was_listed = e->listed;
	look->digest = e->digest;
	look->deadline_ms = e->deadline_ms;
	look->count = e->count;
	look->follows = e->side_stale;
	e->side_stale = false;
	e->wrote_ms = 0;
	e->blind = e->side_told = false;
	return true;
}

/* Asks for `count` of them at once. */
static int peek(struct layout_store *s, const struct look *looks, size_t count, redisReply **ret)
{
	CLEAN_ARGS struct redis_args args = {0};
	for (size_t i = 0; i < count; i++) {
		const struct look *look = &looks[i];
		redis_args_add_bytes(&args, look->place->key, look->place->key_size);
		redis_args_add_bytes(&args, look->keys.side, look->keys.side_size);
	}
	redis_args_add(&args, s->layout->kind == LAYOUT_VALUE ? "string" : "list");
	redis_args_add(&args, layout_is_bare(s->layout) ? "1" : "0");
	return redis_read_script(s->pool, &script_peek, 2 * count, &args, "", ret);
}

/* It went before its time, or at its time. Without the mutex. */
static void tell_gone(struct layout_store *s, const struct look *look)
{
	bool early = look->deadline_ms - layout_now(s) > 100;
	if (look->was_there && look->was_listed && early && !look->wrote)
		layout_vanished(s, look->place->gen);
	if (look->was_there)
		layout_notify(s, NOTICE_THREAD, look->place, NULL);
}

static int64_t apart(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

/* A tool has renewed it, or it is gone: its side keys follow. */
static void follow(struct layout_store *s, const struct look *look)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply = NULL;
	if (!look->side)
		return;
	redis_args_add_bytes(&args, look->place->key, look->place->key_size);
	redis_args_add_bytes(&args, look->keys.side, look->keys.side_size);
	redis_args_add_bytes(&args, look->keys.files, look->keys.files_size);
	if (redis_write(s->pool, &script_follow, 3, &args, false, look->place->id, &reply) == 0)
		freeReplyObject(reply);
}

/* Tells the mount what came of a look. */
static void look_end(struct layout_store *s, const struct look *look, bool same_count)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *e = index_find_gen(s, look->place->gen);
	bool there = e && !e->gone_ms, listed = e && e->listed;
	bool moved = e && apart(e->deadline_ms, look->deadline_ms) > 20;
	bool quiet = (look->blind && same_count) || (look->whole && e && e->digest == look->digest);
	pthread_mutex_unlock(&s->mutex);
	if (!s->read_only && (look->follows || moved || !there))
		follow(s, look);
	if (!there)
		tell_gone(s, look);
	else if (!look->was_there || listed != look->was_listed || moved)
		layout_notify(s, NOTICE_THREAD, look->place, NULL);
	if (there && look->was_there && !quiet)
		layout_notify(s, NOTICE_FILE, look->place, NULL);
}

/* Four elements of the reply, each: what is there (1 the key, 2 a thread without turns), … */
static void look_take(struct layout_store *s, struct look *look, const redisReply *reply, size_t at)
{
	struct seen seen;
	if (reply->type != REDIS_REPLY_ARRAY || at + 3 >= reply->elements ||
		reply->element[at]->type != REDIS_REPLY_INTEGER ||
		!seen_read(s, reply, at + 1, &seen))
		return;
	look->side = reply->element[at]->integer >= 4;
	seen.there = seen.there && reply->element[at]->integer % 4 > 0;
	pthread_mutex_lock(&s->mutex);
	struct entry *e = index_find_gen(s, look->place->gen);
	bool stays = e && layout_seen(s, e, &seen);
	pthread_mutex_unlock(&s->mutex);
	if (!stays)
		return; /* not this tool's */
	if (look->whole && seen.there) {
		CLEAN_IMAGE struct image *image = NULL;
		int r = layout_reload(s, look->place->gen, &image);
		if (r < 0 && r != -ENOENT && r != -EIO)
			return; /* the server is away: it will all be looked at again */
	}
	look_end(s, look, seen.count == look->count);
}

void layout_look(struct layout_store *s, struct place *const *places, size_t count)
{
	struct look *looks = calloc(count, sizeof(*looks));
	redisReply *reply = NULL;
	size_t used = 0;
	int r = looks ? 0 : -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		looks[used].place = places[i];
		pthread_mutex_lock(&s->mutex);
		bool known = look_begin(s, &looks[used]);
		pthread_mutex_unlock(&s->mutex);
		if (known)
			r = keys_init(s, places[i], &looks[used].keys);
		used += known && r == 0 ? 1 : 0;
	}
	if (r == 0 && used > 0)
		r = peek(s, looks, used, &reply);
	for (size_t i = 0; i < used && r == 0; i++)
		look_take(s, &looks[i], reply, 4 * i);
	if (reply)
		freeReplyObject(reply);
	for (size_t i = 0; i < used; i++)
		keys_done(&looks[i].keys);
	free(looks);
	if (r == 0)
		return;
	pthread_mutex_lock(&s->mutex);
	s->sweep_failed = true; /* what they are is not known: all is looked at again */
	pthread_mutex_unlock(&s->mutex);
}
