/* Listing threads of the own layout, in pages, without reading a thread. */
#include "inside.h"

#include <errno.h>
#include <string.h>

static const struct redis_script script_page = {"page", SCRIPT_READS, lua_page};

static bool is_wanted(struct own_store *s, const struct thread_info *info, enum thread_state state)
{
	bool live = info->deadline_ms > own_now_ms(&s->store);
	return live == (state == THREAD_LIVE);
}

/* Takes the row at `at` of a reply into the page if it is of that state. */
static void page_take(struct own_store *s, const redisReply *reply, size_t at, uint64_t gen,
	enum thread_state state, struct thread_page *page)
{
	struct thread_info info;
	const redisReply *row = own_string_at(reply, at);
	if (row && row->len == 0) { /* gone meanwhile, or lost */
		(void)own_absent(s, (struct thread_ref){.id = "", .gen = gen});
		return;
	}
	if (own_take_row(s, reply, at, gen, &info) == 0 && is_wanted(s, &info, state))
		page->items[page->count++] = info;
}

/* One reply's worth of live threads behind *after, which moves along. */
static int live_page(
	struct own_store *s, uint64_t *after, size_t limit, struct thread_page *page, bool *more)
{
	struct own_call call CLEAN_CALL = {0};
	own_read_begin(s, &call);
	redis_args_add_unsigned(&call.args, *after);
	redis_args_add_unsigned(&call.args, limit);
	int rc = own_read(s, &script_page, &call, "");
	if (rc < 0)
		return rc;
	size_t got = call.reply->elements / 2;
	for (size_t i = 0; i < got; i++) {
		uint64_t gen;
		if (own_number_parse(call.reply->element[2 * i], &gen) < 0 || gen <= *after)
			return -EIO;
		*after = gen;
		page_take(s, call.reply, 2 * i + 1, gen, THREAD_LIVE, page);
	}
	*more = got >= limit;
	return 0;
}

static int list_live(struct own_store *s, uint64_t after, size_t limit, struct thread_page *page)
{
	int rc = 0;
	page->more = true;
	while (rc == 0 && page->more && page->count < limit) {
		size_t room = limit - page->count;
		rc = live_page(
			s, &after, room < OWN_PAGE_MAX ? room : OWN_PAGE_MAX, page, &page->more);
	}
	return rc;
}

static int compare_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* The generations behind `after` whose deadline is past, in order; to be freed. */
static int expired_gens(struct own_store *s, uint64_t after, uint64_t **ret, size_t *ret_count)
{
	struct own_call call CLEAN_CALL = {0};
	char key[256];
	snprintf(key, sizeof(key), "%sdeadlines", s->prefix);
	redis_args_add(&call.args, "ZRANGEBYSCORE");
	redis_args_add(&call.args, key);
	redis_args_add(&call.args, "-inf");
	redis_args_add_number(&call.args, own_now_ms(&s->store));
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	if (rc < 0)
		return rc;
	if (call.reply->type != REDIS_REPLY_ARRAY)
		return -EIO;
	CLEAN_FREE uint64_t *gens = calloc(call.reply->elements + 1, sizeof(*gens));
	size_t count = 0;
	if (!gens)
		return -ENOMEM;
	for (size_t i = 0; i < call.reply->elements; i++) {
		rc = own_number_parse(call.reply->element[i], &gens[count]);
		if (rc < 0)
			return rc;
		if (gens[count] > after)
			count++;
	}
	qsort(gens, count, sizeof(*gens), compare_number);
	*ret = gens;
	*ret_count = count;
	gens = NULL;
	return 0;
}

static int take_rows(struct own_store *s, const uint64_t *gens, size_t count,
	enum thread_state state, struct thread_page *page)
{
	struct own_call call CLEAN_CALL = {0};
	char key[256];
	snprintf(key, sizeof(key), "%sthreads", s->prefix);
	redis_args_add(&call.args, "HMGET");
	redis_args_add(&call.args, key);
	for (size_t i = 0; i < count; i++)
		redis_args_add_unsigned(&call.args, gens[i]);
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		if (own_string_at(call.reply, i))
			page_take(s, call.reply, i, gens[i], state, page);
	return 0;
}

/* Those in grace are few beside the live ones: all their generations are read, the page's rows. */
static int list_grace(struct own_store *s, uint64_t after, size_t limit, struct thread_page *page)
{
	CLEAN_FREE uint64_t *gens = NULL;
	size_t count = 0, at = 0;
	int rc = expired_gens(s, after, &gens, &count);
	while (rc == 0 && at < count && page->count < limit) {
		size_t room = limit - page->count, some = count - at < room ? count - at : room;
		rc = take_rows(s, gens + at, some < OWN_PAGE_MAX ? some : OWN_PAGE_MAX,
			THREAD_GRACE, page);
		at += some < OWN_PAGE_MAX ? some : OWN_PAGE_MAX;
	}
	page->more = at < count;
	return rc;
}

int own_thread_list(struct store *store, enum thread_state state, uint64_t after_gen, size_t limit,
	struct thread_page *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct thread_page page = {.items = calloc(limit + 1, sizeof(*page.items))};
	if (!page.items)
		return -ENOMEM;
	int rc = state == THREAD_LIVE ? list_live(s, after_gen, limit, &page)
				      : list_grace(s, after_gen, limit, &page);
	if (rc < 0)
		thread_page_done(&page);
	else
		*ret = page;
	return rc;
}
