/* Looking at keys that something was told of, and telling the mount what of it is news (F6). */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	PEEKED = 6, /* elements of a reply that are of one thread */
	PUT_OFF_MAX = 4, /* so often a look is put off, some ms each: F6 has 50 */
};

static const struct redis_script script_follow = {
	"layout_follow", SCRIPT_WRITES, lua_layout_follow};
static const struct redis_script script_peek = {"layout_peek", SCRIPT_READS, lua_layout_peek};

/* What the mount knew of a thread, and what it must be told after a look. */
struct look {
	struct place *place;
	struct keys keys;
	bool whole; /* only reading it whole tells */
	bool side; /* it has a side key */
	bool blind, wrote;
	struct entry_told mount; /* when it began */
	uint64_t told;
	char rev[24]; /* of the side key now */
	bool follows; /* its side key is to say how long it lives, and no more that it has no turns
		       */
};

/* Some looks at once. */
struct looked {
	int64_t seen_ms; /* by clock_steady(), before they were */
	struct ledger_entry *deleted; /* what others have deleted, as many as there are looks */
	size_t deleted_count;
};

/* Under the mutex. False: it is gone from the index. */
static bool look_begin(struct layout_store *s, struct look *look)
{
	struct entry *e = index_find_gen(s, look->place->gen);
	if (!e)
		return false;
	bool usual = index_is_usual(s, e);
	look->blind = e->blind;
	look->mount = e->mount;
	look->told = e->told;
	look->wrote = e->wrote_ms != 0;
	look->whole = e->ours || e->broken || !usual || (look->wrote && !e->blind) || e->unsure_ms;
	look->follows = e->side_stale;
	e->side_stale = false;
	e->unsure_ms = 0;
	e->wrote_ms = 0;
	e->blind = false;
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

/* A tool has renewed it, or it is gone, or back: its side keys follow. */
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

/* What is news to the mount. Under the mutex. */
struct news {
	bool there, came, went, early, thread, file, moved;
};
static struct news news_of(struct layout_store *s, struct entry *e, const struct look *look)
{
	const struct entry_told *mount = &e->mount;
	struct news news = {.there = !e->gone_ms};
	bool same = look->whole && mount->digest && e->digest == mount->digest;
	news.went = mount->there && !news.there;
	news.early = news.went && mount->listed && !look->wrote &&
		     mount->deadline_ms - layout_now(s) > 100;
	news.moved = news.there && deadline_moved(mount->deadline_ms, e->deadline_ms);
	news.came = news.there && !mount->there;
	news.thread =
		news.went || news.came || (news.there && e->listed != mount->listed) || news.moved;
	news.file = news.there && !same;
	memcpy(e->rev, look->rev, sizeof(e->rev));
	int64_t told_ms = mount->deadline_ms;
	index_mount_knows(e);
	if (news.there && !news.moved) /* small moves add up: they are told of together */
		e->mount.deadline_ms = told_ms;
	return news;
}

/* Tells the mount what came of a look. */
static void look_end(struct layout_store *s, const struct look *look, struct looked *looked)
{
	struct news news = {0};
	pthread_mutex_lock(&s->mutex);
	struct entry *e = index_find_gen(s, look->place->gen);
	if (e)
		news = news_of(s, e, look);
	pthread_mutex_unlock(&s->mutex);
	if (!s->read_only && (look->follows || news.moved || news.came || !news.there))
		follow(s, look);
	if (news.early && layout_vanished(s, look->place->gen, looked->seen_ms,
				  &looked->deleted[looked->deleted_count]))
		looked->deleted_count++;
	if (news.thread)
		layout_notify(s, NOTICE_THREAD, look->place, NULL);
	if (news.file)
		layout_notify(s, NOTICE_FILE, look->place, NULL);
}

static bool is_own_rev(const struct entry *e, const struct look *look)
{
	uint64_t rev = strtoull(look->rev, NULL, 10);
	if (!strcmp(look->rev, look->mount.rev))
		return true;
	for (size_t i = 0; rev && i < OWN_REVS; i++)
		if (e->own_revs[i] == rev)
			return true;
	return false;
}

/*
 * Whether what was seen is one of the states that pushes of ours have made, while we looked too:
 * then there is no news, but that somebody else may have written over an element: once nobody
 * pushes any more it is read whole. Or it cannot be told yet, for another push was under way:
 * later.
 */
static bool only_pushes(
	struct layout_store *s, struct entry *e, const struct look *look, const struct seen *seen)
{
	const struct entry_told *now = &e->mount;
	bool grown = seen->there && seen->count >= look->mount.count && seen->count <= now->count;
	bool ends = seen->deadline_ms >= look->mount.deadline_ms - DEADLINE_SLACK_MS &&
		    seen->deadline_ms <= now->deadline_ms;
	if (grown && ends && is_own_rev(e, look)) {
		e->put_off = 0;
		e->unsure_ms = look->mount.digest ? layout_now(s) : 0;
		if (e->unsure_ms)
			worker_add(s, e);
		return true;
	}
	if ((e->told == look->told && !e->wrote_ms) || e->put_off >= PUT_OFF_MAX) {
		e->put_off = 0;
		return false;
	}
	e->put_off++;
	e->wrote_ms = layout_now(s);
	e->blind = true;
	worker_add(s, e);
	return true;
}

/* Whether that is what it has come to; else it could not be read, and all is looked at again. */
static bool is_told(struct layout_store *s, uint64_t gen, int r)
{
	pthread_mutex_lock(&s->mutex);
	const struct entry *e = index_find_gen(s, gen);
	bool told = !e || r == -ENOENT || (r == -EIO && e->broken);
	s->sweep_failed = s->sweep_failed || !told;
	pthread_mutex_unlock(&s->mutex);
	return told;
}

/* PEEKED elements of the reply each, as lua/layout_peek.lua has them. */
static void look_take(struct layout_store *s, struct look *look, const redisReply *reply, size_t at,
	struct looked *looked)
{
	struct seen seen;
	if (reply->type != REDIS_REPLY_ARRAY || at + PEEKED > reply->elements ||
		reply->element[at]->type != REDIS_REPLY_INTEGER ||
		!seen_read(s, reply, at + 1, &seen))
		return;
	look->side = reply->element[at]->integer >= 4;
	look->follows = look->follows || reply->element[at]->integer % 4 == 3;
	const redisReply *rev = reply->element[at + 5];
	snprintf(look->rev, sizeof(look->rev), "%s",
		rev->type == REDIS_REPLY_STRING ? rev->str : "");
	seen.there = seen.there && reply->element[at]->integer % 4 > 0;
	pthread_mutex_lock(&s->mutex);
	struct entry *e = index_find_gen(s, look->place->gen);
	bool quiet = e && look->blind && !s->layout->trims && only_pushes(s, e, look, &seen);
	bool stays = e && !quiet && layout_seen(s, e, &seen);
	pthread_mutex_unlock(&s->mutex);
	if (!stays)
		return; /* no news, or not this tool's */
	if (look->whole && seen.there) {
		CLEAN_IMAGE struct image *image = NULL;
		int r = layout_reload(s, look->place->gen, &image);
		if (r < 0 && !is_told(s, look->place->gen, r))
			return;
	}
	look_end(s, look, looked);
}

/* The ledger's lines, all in one step: many threads may be deleted at once. */
static void say_deleted(struct layout_store *s, const struct looked *looked)
{
	if (s->read_only || looked->deleted_count == 0)
		return;
	if (layout_ledger_add(&s->store, looked->deleted, looked->deleted_count) < 0)
		log_debug("threads were deleted, and the ledger does not say so");
}

/* Those of the places that are known still. 0 or -ENOMEM. */
static int looks_begin(struct layout_store *s, struct place *const *places, size_t count,
	struct look *looks, size_t *ret_used)
{
	int r = 0;
	for (size_t i = 0; i < count && r == 0; i++) {
		struct look *look = &looks[*ret_used];
		look->place = places[i];
		pthread_mutex_lock(&s->mutex);
		bool known = look_begin(s, look);
		pthread_mutex_unlock(&s->mutex);
		if (known)
			r = keys_init(s, places[i], &look->keys);
		*ret_used += known && r == 0 ? 1 : 0;
	}
	return r;
}

void layout_look(struct layout_store *s, struct place *const *places, size_t count)
{
	struct look *looks = calloc(count, sizeof(*looks));
	struct looked looked = {.seen_ms = clock_now_ms(clock_steady()),
		.deleted = calloc(count, sizeof(*looked.deleted))};
	redisReply *reply = NULL;
	size_t used = 0;
	int r = looks && looked.deleted ? 0 : -ENOMEM;
	if (r == 0)
		r = looks_begin(s, places, count, looks, &used);
	if (r == 0 && used > 0)
		r = peek(s, looks, used, &reply);
	for (size_t i = 0; i < used && r == 0; i++)
		look_take(s, &looks[i], reply, PEEKED * i, &looked);
	say_deleted(s, &looked);
	if (reply)
		freeReplyObject(reply);
	for (size_t i = 0; i < used; i++)
		keys_done(&looks[i].keys);
	free(looked.deleted);
	free(looks);
	if (r == 0)
		return;
	pthread_mutex_lock(&s->mutex);
	s->sweep_failed = true; /* what they are is not known: all is looked at again */
	pthread_mutex_unlock(&s->mutex);
}
