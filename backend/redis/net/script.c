/* Lua scripts on the server: loaded when first called, and again when it has forgotten them. */
#include "inside.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <redis_lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under the pool's lock. NULL: there are more scripts than SCRIPTS_MAX. */
static struct script_known *known_find(struct redis_pool *pool, const struct redis_script *script)
{
	for (size_t i = 0; i < pool->script_count; i++)
		if (pool->scripts[i].script == script)
			return &pool->scripts[i];
	if (pool->script_count == SCRIPTS_MAX)
		return NULL;
	struct script_known *known = &pool->scripts[pool->script_count++];
	*known = (struct script_known){.script = script};
	return known;
}

static void sha_set(struct redis_pool *pool, const struct redis_script *script, const char *sha)
{
	pthread_mutex_lock(&pool->lock);
	struct script_known *known = known_find(pool, script);
	if (known)
		snprintf(known->sha, sizeof(known->sha), "%s", sha);
	pthread_mutex_unlock(&pool->lock);
}

static void sha_get(struct redis_pool *pool, const struct redis_script *script, char sha[SHA_MAX])
{
	pthread_mutex_lock(&pool->lock);
	const struct script_known *known = known_find(pool, script);
	snprintf(sha, SHA_MAX, "%s", known ? known->sha : "");
	pthread_mutex_unlock(&pool->lock);
}

void script_forget(struct redis_pool *pool, const struct redis_script *script)
{
	sha_set(pool, script, "");
}

/* What the server says to SCRIPT LOAD is of our text alone: it may be logged. */
static int load_answer(
	struct call *call, const struct redis_script *script, const redisReply *reply, char *sha)
{
	struct reply_error error;

	if (reply->type == REDIS_REPLY_STRING && reply->len == SHA_MAX - 1) {
		snprintf(sha, SHA_MAX, "%s", reply->str);
		sha_set(call->pool, script, sha);
		return 0;
	}
	if (!reply_is_error(reply))
		return -EIO;
	reply_error_read(reply->str, &error);
	if (error.kind == REPLY_LATER)
		return call_refused(call, &error);
	if (trouble_is_new(call->pool, "script load", script->name))
		log_error("the Redis server does not take the script %s: %s", script->name,
			reply->str);
	return error.rc;
}

static int script_load(
	struct call *call, struct slot *slot, const struct redis_script *script, char *sha)
{
	CLEAN_ARGS struct redis_args args = {0};
	CLEAN_FREE char *text = NULL;
	redisReply *reply = NULL;

	if (asprintf(&text, "%s%s", script->kind == SCRIPT_WRITES ? lua_prelude : "",
		    script->text) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	redis_args_add(&args, "SCRIPT");
	redis_args_add(&args, "LOAD");
	redis_args_add(&args, text);
	int rc = slot_exchange(call, slot, &args, 1, &reply);
	if (rc == 0)
		rc = load_answer(call, script, reply, sha);
	freeReplyObject(reply);
	return rc;
}

int script_command(struct call *call, struct slot *slot, const struct redis_script *script,
	size_t keys, const struct redis_args *args, struct redis_args *ret)
{
	bool writes = script->kind == SCRIPT_WRITES;
	char *sha = call->sha;

	if (args->failed)
		return -ENOMEM;
	sha_get(call->pool, script, sha);
	int rc = *sha ? 0 : script_load(call, slot, script, sha);
	if (rc < 0)
		return rc;
	redis_args_add(ret, "EVALSHA");
	redis_args_add(ret, sha);
	redis_args_add_unsigned(ret, keys + writes);
	if (writes)
		redis_args_add(ret, call->pool->tokens_key);
	for (size_t i = 0; i < keys; i++)
		redis_args_add_bytes(ret, args->words[i], args->sizes[i]);
	if (writes) {
		redis_args_add_unsigned(ret, slot->number);
		redis_args_add_unsigned(ret, slot->sequence);
	}
	for (size_t i = keys; i < args->count; i++)
		redis_args_add_bytes(ret, args->words[i], args->sizes[i]);
	return 0;
}
