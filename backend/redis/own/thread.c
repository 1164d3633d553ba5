/* Threads of the own layout: found, made, renamed, removed, erased. */
#include "inside.h"

#include "base/log.h"
#include "base/name.h"

#include <errno.h>
#include <string.h>

static const struct redis_script script_find = {"find", SCRIPT_READS, lua_find};
static const struct redis_script script_create = {"create", SCRIPT_WRITES, lua_create};
static const struct redis_script script_rename = {"rename", SCRIPT_WRITES, lua_rename};
static const struct redis_script script_remove = {"remove", SCRIPT_WRITES, lua_remove};
static const struct redis_script script_purge = {"purge", SCRIPT_WRITES, lua_purge};

int own_thread_find(struct store *store, const char *id, struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info info;
	uint64_t gen;
	own_read_begin(s, &call);
	redis_args_add(&call.args, id);
	int rc = own_read(s, &script_find, &call, id);
	if (rc < 0)
		return rc;
	if (call.reply->elements == 0)
		return own_absent(s, (struct thread_ref){.id = id});
	if (own_number_parse(call.reply->element[0], &gen) < 0)
		return -EIO;
	if (call.reply->elements == 1)
		return own_absent(s, (struct thread_ref){.id = id, .gen = gen});
	rc = own_take_row(s, call.reply, 1, gen, &info);
	if (rc == 0 && info.deadline_ms <= own_now_ms(store))
		rc = -ENOENT;
	if (rc == 0)
		*ret = info;
	return rc;
}

int own_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	char key[256];
	snprintf(key, sizeof(key), "%sthreads", s->prefix);
	redis_args_add(&call.args, "HMGET");
	redis_args_add(&call.args, key);
	redis_args_add_unsigned(&call.args, ref.gen);
	int rc = redis_read(s->pool, &call.args, ref.id, &call.reply);
	if (rc < 0)
		return rc;
	if (own_string_at(call.reply, 0))
		return own_take_row(s, call.reply, 0, ref.gen, ret);
	return own_absent(s, ref);
}

int own_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info made;
	bool ttl_valid = info->ttl_ms > 0 || info->ttl_ms == STORE_TTL_NEVER;
	if (name_thread_check(info->id) < 0 || info->gen == 0 || !ttl_valid)
		return -EINVAL;
	own_write_begin(s, &call, info->gen, s->options.grace_ms, flags, info->ctime_ns);
	redis_args_add(&call.args, info->id);
	const int64_t numbers[] = {info->mode, info->uid, info->gid, info->created_ns,
		info->mtime_ns, info->ctime_ns, info->ttl_ms, (int64_t)info->doc.ino,
		info->doc.flags, info->doc.mode, info->doc.uid, info->doc.gid, info->doc.mtime_ns,
		info->doc.ctime_ns};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		redis_args_add_number(&call.args, numbers[i]);
	int rc = own_write(s, &script_create, &call, flags & STORE_DURABLE, info->id);
	if (rc == 0)
		rc = own_take_row(s, call.reply, 0, info->gen, &made);
	if (rc == 0 && ret)
		*ret = made;
	return rc;
}

int own_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct thread_info renamed;
	if (name_thread_check(to) < 0)
		return -EINVAL;
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, STORE_RENEW, time_ns);
	redis_args_add(&call.args, to);
	redis_args_add(&call.args, replace ? "1" : "0");
	redis_args_add(&call.args, LEDGER_REPLACED);
	int rc = own_write(s, &script_rename, &call, true, ref.id);
	if (rc == 0)
		rc = own_take_row(s, call.reply, 0, ref.gen, &renamed);
	if (rc == 0 && ret)
		*ret = renamed;
	return rc;
}

int own_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, 0, time_ns);
	int rc = own_write(s, &script_remove, &call, true, ref.id);
	if (rc < 0)
		return rc;
	known_forget(&s->known, ref.gen);
	const redisReply *text = own_string_at(call.reply, 0);
	struct own_row row;
	if (!text || own_row_parse(text->str, text->len, ref.gen, &row) < 0)
		return -EIO;
	if (ret)
		*ret = row.info;
	return 0;
}

/* Redis erases the threads' keys by itself; this is for their rows, and for shorter grace. */
int own_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	uint64_t purged;
	own_write_begin(s, &call, 0, grace_ms, 0, 0);
	redis_args_add_unsigned(&call.args, limit);
	int rc = own_write(s, &script_purge, &call, false, "");
	if (rc == 0)
		rc = own_number_parse(call.reply->element[0], &purged);
	if (rc == 0)
		*ret_purged = (size_t)purged;
	return rc;
}
