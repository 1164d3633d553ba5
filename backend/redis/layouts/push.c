/* A push onto a list that is there, whatever it has: its cost does not grow with the list. */
#include "draft.h"

#include "rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PUSH_AT_ONCE = 1000 }; /* Lua hands on some thousand words, and no more */

struct push {
	struct layout_store *s;
	struct place *place;
	uint64_t told;
	struct thread_info info; /* as far as it is known */
	struct image *image; /* if it is known how it is now */
	struct blob **bytes; /* of each turn */
	struct blob **records; /* or NULL: the bytes say all */
	size_t count;
	int64_t time_ns;
	char rev[24]; /* that the side key gets; "": it does not */
	struct life life;
};

static void push_done(struct push *p)
{
	for (size_t i = 0; i < p->count; i++) {
		blob_unref(p->bytes[i]);
		blob_unref(p->records[i]);
	}
	free(p->bytes);
	free(p->records);
	image_unref(p->image);
	place_unref(p->place);
}
#define CLEAN_PUSH __attribute__((cleanup(push_done)))

static int push_init(struct push *p, struct layout_store *s, struct thread_ref ref, size_t count)
{
	p->s = s;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, ref.gen);
	if (entry && index_is_live(s, entry)) {
		p->place = place_ref(entry->place);
		p->told = entry->told;
		p->image = entry->fresh && s->up ? image_ref(entry->image) : NULL;
		layout_known(s, entry, &p->info);
	}
	pthread_mutex_unlock(&s->mutex);
	if (!p->place)
		return -ENOENT;
	if (p->info.last_turn > STORE_TURN_MAX || count > STORE_TURN_MAX - p->info.last_turn)
		return -EDQUOT;
	p->bytes = calloc(count, sizeof(*p->bytes));
	p->records = calloc(count, sizeof(*p->records));
	if (!p->bytes || !p->records)
		return -ENOMEM;
	p->count = count;
	p->life.deadline_ms = p->info.deadline_ms;
	return 0;
}

static int push_turn(struct push *p, const struct turn_new *turn, size_t i)
{
	struct draft d = {.s = p->s};
	struct element *element = NULL;
	struct record record = {0};
	const struct change put = append_put(turn);
	bool kept;
	p->bytes[i] = draft_element(&d, turn->role, &put, &kept);
	if (!p->bytes[i])
		return -errno;
	int r = element_new(p->s->layout->codec, p->bytes[i], &element);
	bool moves = p->s->layout->trims && p->s->max_turns; /* its number will not stay */
	if (r == 0 && !moves && draft_record(p->s, element, &put, kept, p->time_ns, &record)) {
		p->records[i] = record_text(&record);
		r = p->records[i] ? 0 : -ENOMEM;
	}
	record_done(&record);
	element_unref(element);
	return r;
}

static void push_renew(struct push *p, const struct thread_change *thread)
{
	bool given = thread && thread->set & SET_TTL;
	int64_t ttl = given ? thread->ttl_ms : p->info.ttl_ms;
	if (!p->s->layout->keeps_ttl || ttl == STORE_TTL_NEVER || ttl <= 0)
		return;
	int64_t deadline = rules_deadline(layout_now(p->s), ttl);
	p->life.renews = given || deadline > p->life.deadline_ms;
	p->life.deadline_ms = p->life.renews ? deadline : p->life.deadline_ms;
	p->life.ttl_ms = ttl;
}

static void push_key(struct redis_args *args, const struct push *p)
{
	redis_args_add_bytes(args, p->place->key, p->place->key_size);
}

/* How many elements the commands behind the first one add. */
static int64_t push_rest(const struct push *p)
{
	return p->count > PUSH_AT_ONCE ? (int64_t)p->count - PUSH_AT_ONCE : 0;
}

/* Times and owners that the list has no place for, under the number that the push comes to. */
static bool push_records(const struct push *p, const struct keys *keys, struct server_step *step)
{
	bool any = false;
	for (size_t i = 0; i < p->count; i++) {
		if (!p->records[i])
			continue;
		struct redis_args *args = server_step_command_with(step, "t3", 4);
		redis_args_add(args, "HSET");
		redis_args_add_bytes(args, keys->side, keys->side_size);
		redis_args_add_number(args, (int64_t)(p->count - 1 - i) - push_rest(p));
		redis_args_add_blob(args, p->records[i]);
		any = true;
	}
	return any;
}

static void push_field(
	const struct keys *keys, const char *name, const char *value, struct server_step *step)
{
	struct redis_args *args = server_step_command(step, 4);
	redis_args_add(args, "HSET");
	redis_args_add_bytes(args, keys->side, keys->side_size);
	redis_args_add(args, name);
	redis_args_add(args, value);
}

static void push_elements(const struct push *p, struct server_step *step)
{
	for (size_t i = 0; i < p->count;) {
		size_t end = p->count - i < PUSH_AT_ONCE ? p->count : i + PUSH_AT_ONCE;
		struct redis_args *args = server_step_command(step, end - i + 2);
		redis_args_add(args, p->s->layout->newest_first ? "LPUSHX" : "RPUSHX");
		push_key(args, p);
		for (; i < end; i++)
			redis_args_add_blob(args, p->bytes[i]);
	}
}

static int push_run(struct push *p, const struct keys *keys, unsigned flags, uint64_t *ret_length)
{
	CLEAN_SERVER_STEP struct server_step step = {0};
	char ttl[48];
	struct redis_args *args = server_step_check(&step, "1", 2);
	redis_args_add(args, "EXISTS");
	push_key(args, p);
	push_elements(p, &step);
	bool records = push_records(p, keys, &step);
	if (records) {
		snprintf(p->rev, sizeof(p->rev), "%llu", (unsigned long long)random_number());
		push_field(keys, "rev", p->rev, &step);
	}
	snprintf(ttl, sizeof(ttl), "%lld %lld", (long long)p->info.ttl_ms,
		(long long)p->life.deadline_ms);
	if (records && p->life.renews) /* a list has no time of its last write to tell it by */
		push_field(keys, "ttl", ttl, &step);
	life_trim(p->s, keys, &step);
	life_session(p->s, keys, p->time_ns, &step);
	life_set(&p->life, keys, true, &step);
	int r = server_step_run(
		p->s, keys, &step, flags & STORE_DURABLE, &p->life.deadline_ms, ret_length);
	if (r == 0)
		*ret_length += (uint64_t)push_rest(p);
	return r;
}

/* The mount knows of it, if it knew of all that was there before. Under the mutex. */
static void push_told(const struct push *p, struct entry *entry, uint32_t length)
{
	if (p->rev[0]) {
		memcpy(entry->rev, p->rev, sizeof(entry->rev));
		entry->own_revs[entry->pushes++ % OWN_REVS] = strtoull(p->rev, NULL, 10);
	}
	if (entry->mount.count != length - p->count)
		return;
	entry->mount.count = length;
	for (size_t i = 0; i < p->count; i++)
		entry->mount.chain = image_chain(entry->mount.chain, blob_hash(p->bytes[i]));
	memcpy(entry->mount.rev, entry->rev, sizeof(entry->rev));
}

/* What is known of the thread goes on without its image: the next who reads it asks. */
static void push_known(struct push *p, const struct turn_new *turns, uint32_t length,
	const struct thread_change *thread)
{
	struct layout_store *s = p->s;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, p->place->gen);
	if (entry) {
		index_image(s, entry, NULL);
		push_told(p, entry, length);
		entry->count = length;
		entry->blind = true;
		entry->seen_ns = p->time_ns;
	}
	if (entry && entry->info) {
		struct thread_info *info = entry->info;
		info->files += length - info->turns;
		info->turns = info->last_turn = length;
		for (size_t i = 0; i < p->count; i++)
			info->bytes += blob_size(turns[i].content);
		if (thread && thread->set & SET_MTIME)
			info->mtime_ns = info->ctime_ns = thread->mtime_ns;
	}
	pthread_mutex_unlock(&s->mutex);
}

static void push_tell(const struct push *p, uint32_t first, struct turn_new *turns)
{
	for (size_t i = 0; i < p->count; i++) {
		turns[i].ino = image_turn_ino(p->place, first + (uint32_t)i, turns[i].role);
		turns[i].ret_revision =
			image_turn_revision(turns[i].ino, blob_hash(p->bytes[i]), p->records[i]);
	}
}

int append_push(struct layout_store *s, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first)
{
	CLEAN_PUSH struct push p = {.time_ns = thread ? thread->time_ns : clock_wall_ns()};
	CLEAN_KEYS struct keys keys = {0};
	uint64_t length;
	int r = push_init(&p, s, ref, count);
	for (size_t i = 0; i < count && r == 0; i++)
		r = push_turn(&p, &turns[i], i);
	if (r == 0)
		r = keys_init(s, p.place, &keys);
	if (r < 0)
		return r;
	push_renew(&p, thread);
	r = push_run(&p, &keys, flags, &length);
	if (r < 0)
		return r;
	if (length > STORE_TURN_MAX || length < count)
		return -EIO;
	if (s->layout->trims && s->max_turns && length > s->max_turns)
		length = s->max_turns > count ? s->max_turns : count;
	*ret_first = (uint32_t)(length - count) + 1;
	push_known(&p, turns, (uint32_t)length, thread);
	layout_wrote(s, p.place->gen, p.told, NULL, p.life.deadline_ms, ret);
	push_tell(&p, *ret_first, turns);
	return 0;
}
