/* What the own layout keeps beside threads: the ledger, the root's attributes, the numbers. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

static const struct redis_script script_set = {"set", SCRIPT_WRITES, lua_set};
static const struct redis_script script_ledger = {"ledger_add", SCRIPT_WRITES, lua_ledger_add};

int own_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	redis_args_add(&call.args, s->prefix);
	for (size_t i = 0; i < count; i++) {
		const struct ledger_entry *entry = &entries[i];
		redis_args_add_number(&call.args, entry->time_ms);
		redis_args_add_unsigned(&call.args, entry->gen);
		redis_args_add_unsigned(&call.args, entry->cause);
		redis_args_add_number(&call.args, entry->ttl_ms);
		redis_args_add_number(&call.args, entry->deadline_ms);
		redis_args_add_unsigned(&call.args, entry->turns);
		redis_args_add(&call.args, entry->id);
		redis_args_add(&call.args, entry->detail);
	}
	return own_write(s, &script_ledger, &call, false, "");
}

/* "seq time gen cause ttl deadline turns\nid\ndetail" */
static int entry_parse(const redisReply *reply, struct ledger_entry *ret)
{
	if (reply->type != REDIS_REPLY_STRING || strlen(reply->str) != reply->len)
		return -EIO;
	unsigned cause;
	int end = -1;
	long long time, ttl, deadline;
	unsigned long long seq, gen;
	if (sscanf(reply->str, "%llu %lld %llu %u %lld %lld %u%n", &seq, &time, &gen, &cause, &ttl,
		    &deadline, &ret->turns, &end) != 7 ||
		end < 0 || reply->str[end] != '\n')
		return -EIO;
	const char *id = reply->str + end + 1, *detail = strchr(id, '\n');
	if (!detail || detail - id > STORE_NAME_MAX || strlen(detail + 1) > STORE_NAME_MAX)
		return -EIO;
	ret->seq = seq;
	ret->time_ms = time;
	ret->gen = gen;
	ret->cause = (enum ledger_cause)cause;
	ret->ttl_ms = ttl;
	ret->deadline_ms = deadline;
	snprintf(ret->id, sizeof(ret->id), "%.*s", (int)(detail - id), id);
	snprintf(ret->detail, sizeof(ret->detail), "%s", detail + 1);
	return cause >= LEDGER_EXPIRED && cause <= LEDGER_BEGAN ? 0 : -EIO;
}

static int page_fill(const redisReply *reply, size_t limit, struct ledger_page *page)
{
	size_t count = reply->elements < limit ? reply->elements : limit;
	page->items = calloc(count + 1, sizeof(*page->items));
	if (!page->items)
		return -ENOMEM;
	page->more = reply->elements > count;
	for (size_t i = 0; i < count; i++) {
		int rc = entry_parse(reply->element[i], &page->items[i]);
		if (rc < 0) {
			ledger_page_done(page);
			return rc;
		}
		page->count++;
	}
	return 0;
}

int own_ledger_list(struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct ledger_page page = {0};
	char key[256], from[32];
	snprintf(key, sizeof(key), "%sledger", s->prefix);
	snprintf(from, sizeof(from), "(%llu", (unsigned long long)after_seq);
	redis_args_add(&call.args, "ZRANGEBYSCORE");
	redis_args_add(&call.args, key);
	redis_args_add(&call.args, from);
	redis_args_add(&call.args, "+inf");
	redis_args_add(&call.args, "LIMIT");
	redis_args_add(&call.args, "0");
	redis_args_add_unsigned(&call.args, limit + 1);
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	if (rc == 0)
		rc = call.reply->type == REDIS_REPLY_ARRAY ? page_fill(call.reply, limit, &page)
							   : -EIO;
	if (rc == -EIO)
		log_error("%s: the ledger has a line that is none", s->storage);
	if (rc == 0)
		*ret = page;
	return rc;
}

int own_root_get(struct store *store, struct root_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	char key[256];
	snprintf(key, sizeof(key), "%sroot", s->prefix);
	redis_args_add(&call.args, "GET");
	redis_args_add(&call.args, key);
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	if (rc < 0)
		return rc;
	struct root_info root = {0};
	long long mtime, ctime;
	if (call.reply->type == REDIS_REPLY_STRING) {
		if (sscanf(call.reply->str, "%u %u %u %lld %lld", &root.mode, &root.uid, &root.gid,
			    &mtime, &ctime) != 5 ||
			root.mode > 07777) {
			log_error("%s: the root's row is damaged", s->storage);
			return -EIO;
		}
		root.mtime_ns = mtime;
		root.ctime_ns = ctime;
	}
	*ret = root;
	return 0;
}

int own_root_set(struct store *store, const struct root_info *info)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	char row[128];
	snprintf(row, sizeof(row), "%u %u %u %lld %lld", info->mode, info->uid, info->gid,
		(long long)info->mtime_ns, (long long)info->ctime_ns);
	redis_args_add(&call.args, s->prefix);
	redis_args_add(&call.args, "root");
	redis_args_add(&call.args, row);
	redis_args_add(&call.args, s->writer);
	return own_write(s, &script_set, &call, false, "");
}

/* 1 is the number of the mount's root directory: the first that is given is 2. */
int own_reserve(struct store *store, uint32_t count, uint64_t *ret_first)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	uint64_t last;
	redis_args_add(&call.args, s->prefix);
	redis_args_add(&call.args, "numbers");
	redis_args_add_unsigned(&call.args, count);
	int rc = own_write(s, &script_set, &call, false, "");
	if (rc == 0)
		rc = own_number_parse(call.reply->element[0], &last);
	if (rc == 0 && last < count)
		rc = -EIO;
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (last > s->number_seen)
		s->number_seen = last;
	pthread_mutex_unlock(&s->lock);
	*ret_first = last - count + 2;
	return 0;
}
