/* What is of no one thread: the ledger, the root's attributes, numbers for new files. */
#include "server_step.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct redis_script script_ledger = {
	"layout_ledger", SCRIPT_WRITES, lua_layout_ledger};

/* A key of ours that belongs to no thread. */
static void own_key(const struct layout_store *s, const char *name, char ret[256])
{
	snprintf(ret, 256, "%s%s", s->side, name);
}

/* The mark of what several mounts may have seen and of what they must not tell again. */
static void format_mark(const struct ledger_entry *e, char ret[64])
{
	snprintf(ret, 64, "%u:%llx", e->cause, (unsigned long long)e->gen);
}

/* What every mount sees for itself is told once. */
static bool is_shared(const struct ledger_entry *e)
{
	return e->cause == LEDGER_EXPIRED || e->cause == LEDGER_LOST || e->cause == LEDGER_DELETED;
}

/* "time gen cause ttl deadline turns\nid\ndetail" */
static char *format_line(const struct ledger_entry *e)
{
	char *line;
	int r = asprintf(&line, "%lld %llu %u %lld %lld %u\n%s\n%s", (long long)e->time_ms,
		(unsigned long long)e->gen, e->cause, (long long)e->ttl_ms,
		(long long)e->deadline_ms, e->turns, e->id, e->detail);
	return r < 0 ? NULL : line;
}

int server_step_enter(
	struct layout_store *s, const struct ledger_entry *line, struct server_step *step)
{
	char mark[64], told[80];
	step->entered.line = format_line(line);
	if (!step->entered.line)
		return -ENOMEM;
	own_key(s, "ledger", step->entered.ledger);
	own_key(s, "ledger:seq", step->entered.counter);
	format_mark(line, mark);
	snprintf(told, sizeof(told), "told:%s", mark);
	own_key(s, told, step->entered.mark);
	snprintf(step->entered.deadline, sizeof(step->entered.deadline), "%lld",
		(long long)line->deadline_ms);
	struct redis_args *args = server_step_command_with(step, "l0", 5);
	redis_args_add(args, step->entered.ledger);
	redis_args_add(args, step->entered.counter);
	redis_args_add(args, step->entered.mark);
	redis_args_add(args, step->entered.deadline);
	redis_args_add(args, step->entered.line);
	return 0;
}

static int ledger_write(struct layout_store *s, const struct ledger_entry *entries,
	char *const *lines, char (*marks)[64], size_t count)
{
	CLEAN_ARGS struct redis_args args = {0};
	char ledger[256], seq[256], mark[256];
	redisReply *reply = NULL;
	own_key(s, "ledger", ledger);
	own_key(s, "ledger:seq", seq);
	own_key(s, "told:", mark);
	redis_args_add(&args, ledger);
	redis_args_add(&args, seq);
	redis_args_add(&args, mark);
	for (size_t i = 0; i < count; i++) {
		redis_args_add(&args, marks[i]);
		redis_args_add_number(&args, entries[i].deadline_ms);
		redis_args_add(&args, lines[i]);
	}
	int r = redis_write(s->pool, &script_ledger, 3, &args, false, "", &reply);
	if (r == 0)
		freeReplyObject(reply);
	return r;
}

int layout_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count)
{
	struct layout_store *s = layout_store_of(store);
	if (s->read_only)
		return -EROFS;
	char **lines = calloc(count + 1, sizeof(*lines)), (*marks)[64] = calloc(count + 1, 64);
	int r = lines && marks ? 0 : -ENOMEM;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (is_shared(&entries[i]))
			format_mark(&entries[i], marks[i]);
		lines[i] = format_line(&entries[i]);
		r = lines[i] ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = ledger_write(s, entries, lines, marks, count);
	for (size_t i = 0; lines && i < count; i++)
		free(lines[i]);
	free(lines);
	free(marks);
	return r;
}

static int parse_line(const redisReply *reply, struct ledger_entry *ret)
{
	unsigned long long seq, gen;
	long long time, ttl, deadline;
	unsigned cause;
	int end = -1;
	if (reply->type != REDIS_REPLY_STRING || strlen(reply->str) != reply->len ||
		sscanf(reply->str, "%llu %lld %llu %u %lld %lld %u%n", &seq, &time, &gen, &cause,
			&ttl, &deadline, &ret->turns, &end) != 7 ||
		end < 0 || reply->str[end] != '\n')
		return -EIO;
	const char *id = reply->str + end + 1, *detail = strchr(id, '\n');
	if (!detail || detail - id > STORE_NAME_MAX || strlen(detail + 1) > STORE_NAME_MAX ||
		cause < LEDGER_EXPIRED || cause > LEDGER_BEGAN)
		return -EIO;
	ret->seq = seq;
	ret->time_ms = time;
	ret->gen = gen;
	ret->cause = (enum ledger_cause)cause;
	ret->ttl_ms = ttl;
	ret->deadline_ms = deadline;
	snprintf(ret->id, sizeof(ret->id), "%.*s", (int)(detail - id), id);
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail + 1);
	return 0;
}

/* Lines that are none are passed over: who wrote them is not known. */
static int page_fill(
	const redisReply *reply, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	struct ledger_page page = {.items = calloc(limit + 1, sizeof(*page.items))};
	if (!page.items)
		return -ENOMEM;
	for (size_t i = 0; i < reply->elements && !page.more; i++) {
		struct ledger_entry *entry = &page.items[page.count];
		if (parse_line(reply->element[i], entry) < 0 || entry->seq <= after_seq)
			continue;
		if (page.count == limit)
			page.more = true;
		else
			page.count++;
	}
	*ret = page;
	return 0;
}

int layout_ledger_list(
	struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_ARGS struct redis_args args = {0};
	char key[256];
	redisReply *reply;
	own_key(s, "ledger", key);
	redis_args_add(&args, "LRANGE");
	redis_args_add(&args, key);
	redis_args_add(&args, "0");
	redis_args_add(&args, "-1");
	int r = redis_read(s->pool, &args, "", &reply);
	if (r < 0)
		return r;
	r = reply->type == REDIS_REPLY_ARRAY ? page_fill(reply, after_seq, limit, ret) : -EIO;
	freeReplyObject(reply);
	return r;
}

int layout_root_get(struct store *store, struct root_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_ARGS struct redis_args args = {0};
	char key[256];
	redisReply *reply;
	struct root_info root = {0};
	long long mtime, ctime;
	own_key(s, "root", key);
	redis_args_add(&args, "GET");
	redis_args_add(&args, key);
	int r = redis_read(s->pool, &args, "", &reply);
	if (r < 0)
		return r;
	if (reply->type == REDIS_REPLY_STRING &&
		sscanf(reply->str, "%u %u %u %lld %lld", &root.mode, &root.uid, &root.gid, &mtime,
			&ctime) == 5 &&
		root.mode <= 07777) {
		root.mtime_ns = mtime;
		root.ctime_ns = ctime;
		*ret = root;
	} else {
		*ret = (struct root_info){0};
	}
	freeReplyObject(reply);
	return 0;
}

int layout_root_set(struct store *store, const struct root_info *info)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_ARGS struct redis_args args = {0};
	char key[256], row[128];
	redisReply *reply;
	if (s->read_only)
		return -EROFS;
	own_key(s, "root", key);
	snprintf(row, sizeof(row), "%u %u %u %lld %lld", info->mode, info->uid, info->gid,
		(long long)info->mtime_ns, (long long)info->ctime_ns);
	redis_args_add(&args, "SET"); /* to do it twice does no harm, so it needs no token */
	redis_args_add(&args, key);
	redis_args_add(&args, row);
	int r = redis_read(s->pool, &args, "", &reply);
	layout_write_ended(s, r);
	if (r == 0)
		freeReplyObject(reply);
	return r;
}

/*
 * By chance out of 2^58 places above all numbers of threads and turns (index_gen()): no counter has
 * to be kept in somebody else's Redis.
 */
int layout_reserve(struct store *store, uint32_t count, uint64_t *ret_first)
{
	const uint64_t least = UINT64_C(1) << 59, mask = (UINT64_C(1) << 58) - 1;
	if (layout_store_of(store)->read_only)
		return -EROFS;
	*ret_first = least + (random_number() & mask);
	return 0;
}
