/* Finding all threads: a pass of SCAN over the keys, never KEYS; how it begins, and after a gap. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	SCAN_COUNT = 1000,
	CURSOR_MAX = 24,
	SCANNED = 5, /* elements of a reply that are of one key */
};

static const struct redis_script script_scan = {"layout_scan", SCRIPT_READS, lua_layout_scan};

bool seen_read(struct layout_store *s, const redisReply *reply, size_t at, struct seen *ret)
{
	if (at + 3 >= reply->elements)
		return false;
	const redisReply *deadline = reply->element[at], *count = reply->element[at + 1];
	const redisReply *first = reply->element[at + 2], *set_here = reply->element[at + 3];
	if (deadline->type != REDIS_REPLY_INTEGER || count->type != REDIS_REPLY_INTEGER ||
		first->type != REDIS_REPLY_STRING || set_here->type != REDIS_REPLY_INTEGER)
		return false;
	*ret = (struct seen){.there = deadline->integer != -2,
		.deadline_ms = deadline_of_reply(deadline),
		.ours = true,
		.set_here = set_here->integer == 1};
	if (count->integer > 0)
		ret->count =
			count->integer < STORE_TURN_MAX ? (uint32_t)count->integer : STORE_TURN_MAX;
	if (layout_is_bare(s->layout) && ret->count > 0) {
		struct layout_turn turn = {0};
		ret->ours = codec_decode(s->layout->codec, first->str, first->len, &turn) == 0;
		if (ret->ours)
			layout_turn_done(&turn);
	}
	return true;
}

bool layout_seen(struct layout_store *s, struct entry *entry, const struct seen *seen)
{
	if (seen->there && !seen->ours && !entry->loaded) {
		s->not_ours++;
		if (entry->queued || entry->writing)
			entry->listed = false;
		else
			index_forget(s, entry);
		return false;
	}
	if (!seen->there) {
		index_gone(s, entry);
		return true;
	}
	index_deadline(s, entry, seen->deadline_ms, !seen->set_here);
	entry->lost_data = entry->forgotten = false;
	if (entry->gone_ms) {
		entry->gone_ms = 0;
		entry->revision = index_revision(s);
	}
	entry->count = seen->count;
	if (!entry->broken)
		entry->listed = entry->loaded || index_is_usual(s, entry);
	return true;
}

/* One key of a page. A key whose name cannot be shown is not served, which is said once. */
static void take_key(struct layout_store *s, const redisReply *key, const struct seen *seen,
	uint64_t sweep, size_t *unnamed)
{
	if (!keys_match(s, key->str, key->len))
		return;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_get(s, key->str, key->len);
	if (!entry) {
		++*unnamed;
	} else if (layout_seen(s, entry, seen)) {
		entry->swept = sweep;
		entry->fresh = false;
		if (!entry->listed || entry->broken)
			worker_add(s, entry); /* only its value tells */
	}
	pthread_mutex_unlock(&s->mutex);
}

static int take_page(
	struct layout_store *s, const redisReply *reply, uint64_t sweep, size_t *unnamed)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
		reply->element[0]->type != REDIS_REPLY_STRING)
		return -EIO;
	for (size_t i = 1; i + SCANNED <= reply->elements; i += SCANNED) {
		struct seen seen;
		if (reply->element[i]->type != REDIS_REPLY_STRING ||
			!seen_read(s, reply, i + 1, &seen))
			return -EIO;
		if (seen.there)
			take_key(s, reply->element[i], &seen, sweep, unnamed);
	}
	return 0;
}

static int scan_page(struct layout_store *s, const char *cursor, const char *pattern,
	const char *type, redisReply **ret)
{
	CLEAN_ARGS struct redis_args args = {0};
	redis_args_add(&args, cursor);
	redis_args_add(&args, pattern);
	redis_args_add_number(&args, SCAN_COUNT);
	redis_args_add(&args, type);
	redis_args_add(&args, layout_is_bare(s->layout) ? "1" : "0");
	redis_args_add(&args, s->side);
	return redis_read_script(s->pool, &script_scan, 0, &args, "", ret);
}

/* The mount ends: it waits for no pass over somebody's millions of keys. */
static bool is_stopping(struct layout_store *s)
{
	pthread_mutex_lock(&s->mutex);
	bool stopping = s->stopping;
	pthread_mutex_unlock(&s->mutex);
	return stopping;
}

/* `take` for each page of the keys that match. 0 or -errno. */
static int scan(struct layout_store *s, const char *pattern, const char *type, uint64_t sweep,
	size_t *unnamed,
	int (*take)(
		struct layout_store *s, const redisReply *reply, uint64_t sweep, size_t *unnamed))
{
	char cursor[CURSOR_MAX] = "0";
	do {
		redisReply *reply;
		if (is_stopping(s))
			return -ETIMEDOUT;
		int r = scan_page(s, cursor, pattern, type, &reply);
		if (r < 0)
			return r;
		r = take(s, reply, sweep, unnamed);
		if (r == 0)
			snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
		freeReplyObject(reply);
		if (r < 0)
			return r;
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

static void take_side(struct layout_store *s, struct entry *entry, const redisReply *reply,
	size_t at, uint64_t sweep)
{
	struct seen seen; /* of the side key; instead of elements 1 if the thread has none */
	if (!seen_read(s, reply, at + 1, &seen))
		return;
	bool without_turns = seen.count > 0;
	seen.count = 0;
	seen.ours = true;
	if (entry->swept < sweep && without_turns) {
		layout_seen(s, entry, &seen);
		entry->swept = sweep;
		return;
	}
	entry->side_stale =
		without_turns || entry->gone_ms || entry->deadline_ms != seen.deadline_ms;
	if (s->layout->kind == LAYOUT_VALUE)
		entry->ours += entry->ours ? 0 : 1; /* until it has been read */
	if (entry->side_stale || s->layout->kind == LAYOUT_VALUE)
		worker_add(s, entry);
}

/*
 * Side keys: of threads that have no turn yet, which have no other key; and of those whose turns
 * of ours may have been overwritten while nobody looked.
 */
static int take_sides(
	struct layout_store *s, const redisReply *reply, uint64_t sweep, size_t *unnamed)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1 ||
		reply->element[0]->type != REDIS_REPLY_STRING)
		return -EIO;
	for (size_t i = 1; i + SCANNED <= reply->elements; i += SCANNED) {
		const redisReply *side = reply->element[i];
		const char *key;
		size_t size;
		if (side->type != REDIS_REPLY_STRING ||
			!keys_of_side(s, side->str, side->len, &key, &size))
			continue;
		pthread_mutex_lock(&s->mutex);
		struct entry *entry = index_get(s, key, size);
		if (entry)
			take_side(s, entry, reply, i, sweep);
		pthread_mutex_unlock(&s->mutex);
	}
	return 0;
}

/* Who was not found is looked at by name: it may have come while the pass went on. */
static void queue_missing(struct layout_store *s, uint64_t sweep)
{
	pthread_mutex_lock(&s->mutex);
	for (struct entry *e = s->by_gen; e; e = e->by_gen.next) {
		if (e->swept >= sweep || (e->gone_ms && !e->mount.there))
			continue; /* what a read has found gone is still to be told */
		e->forgotten = s->started_anew;
		worker_add(s, e);
	}
	s->started_anew = false;
	pthread_mutex_unlock(&s->mutex);
}

int layout_sweep(struct layout_store *s)
{
	size_t unnamed = 0;
	char sides[256];
	pthread_mutex_lock(&s->mutex);
	uint64_t sweep = ++s->sweeps;
	pthread_mutex_unlock(&s->mutex);
	const char *type = s->layout->kind == LAYOUT_VALUE ? "string" : "list";
	int r = scan(s, s->match, type, sweep, &unnamed, take_page);
	snprintf(sides, sizeof(sides), "%s{*}", s->side);
	if (r == 0)
		r = scan(s, sides, "hash", sweep, &unnamed, take_sides);
	if (r == -EIO)
		log_error("the keys of layout %s cannot be listed", s->layout->name);
	if (r < 0)
		return r;
	if (unnamed)
		log_warning("%zu keys of layout %s have names too long to be shown; they are not",
			unnamed, s->layout->name);
	queue_missing(s, sweep);
	return 0;
}
