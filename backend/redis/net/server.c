/* What a server says of itself, asked in one go; see server.h. */
#include "inside.h"
#include "server_inside.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const config_names[] = {
	"appendonly", "appendfsync", "save", "maxmemory-policy", "stop-writes-on-bgsave-error"};

enum { CONFIGS = sizeof(config_names) / sizeof(*config_names), ASKED = CONFIGS + 1 };

/* Each by itself: Redis 6 takes one name at a time. */
static int server_ask(struct call *call, struct slot *slot, redisReply **replies)
{
	struct redis_args commands[ASKED] = {{0}};

	redis_args_add(&commands[0], "INFO");
	for (size_t i = 0; i < CONFIGS; i++) {
		redis_args_add(&commands[i + 1], "CONFIG");
		redis_args_add(&commands[i + 1], "GET");
		redis_args_add(&commands[i + 1], config_names[i]);
	}
	int rc = slot_exchange(call, slot, commands, ASKED, replies);
	for (size_t i = 0; i < ASKED; i++)
		redis_args_done(&commands[i]);
	return rc;
}

/* {name, value}; an error or an empty list: it is not told. */
static bool config_value(const redisReply *reply, char *ret, size_t size)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		reply->element[1]->type != REDIS_REPLY_STRING)
		return false;
	snprintf(ret, size, "%s", reply->element[1]->str);
	return true;
}

static void config_read(redisReply *const *replies, struct server_config *ret)
{
	ret->known = config_value(replies[0], ret->appendonly, sizeof(ret->appendonly));
	config_value(replies[1], ret->appendfsync, sizeof(ret->appendfsync));
	config_value(replies[2], ret->save, sizeof(ret->save));
	config_value(replies[3], ret->policy, sizeof(ret->policy));
	config_value(replies[4], ret->stop_writes, sizeof(ret->stop_writes));
}

/* That INFO or CONFIG is forbidden is no error; that the server cannot answer just now is. */
static int server_refused(struct call *call, const redisReply *info)
{
	struct reply_error error;

	if (!reply_is_error(info))
		return 0;
	reply_error_read(info->str, &error);
	return error.kind == REPLY_LATER ? call_refused(call, &error) : 0;
}

static int server_once(
	struct call *call, struct slot *slot, unsigned replicas, struct redis_server *ret)
{
	redisReply *replies[ASKED] = {NULL};
	struct server_config config = {0};
	int rc = slot_connect(call, slot, false);

	if (rc < 0)
		return call_unconnected(call, rc);
	rc = server_ask(call, slot, replies);
	rc = rc < 0 ? call_broken(call, rc) : server_refused(call, replies[0]);
	if (rc == 0) {
		config_read(replies + 1, &config);
		server_judge(replies[0]->type == REDIS_REPLY_STRING ? replies[0]->str : "", &config,
			&slot->link->facts, replicas, ret);
	}
	for (size_t i = 0; i < ASKED; i++)
		freeReplyObject(replies[i]);
	return rc;
}

int redis_server_read(struct redis_pool *pool, unsigned replicas, struct redis_server *ret)
{
	struct call call;
	struct slot *slot;

	call_init(&call, pool, "");
	int rc = slot_take(&call, &slot);
	if (rc < 0)
		return rc;
	do {
		rc = server_once(&call, slot, replicas, ret);
	} while (rc == -EAGAIN);
	slot_give(&call, slot);
	return rc;
}

int redis_server_check(const struct redis_server *server, const struct redis_facts *facts,
	bool read_only, bool allow_eviction, struct errtext *error)
{
	if (facts->cluster)
		return errtext_set(error, -EIO,
			"the server is a node of a Redis Cluster, which turnfs cannot use: name a "
			"server that stands alone");
	if (server->is_replica && !read_only)
		return errtext_set(error, -EROFS,
			"the Redis server is a replica and takes no writes: name its master, or "
			"mount with -o ro");
	if (server->evicts && !read_only && !allow_eviction)
		return errtext_set(error, -EPERM,
			"the Redis server may evict conversations (maxmemory-policy %s): run "
			"redis-cli CONFIG SET maxmemory-policy noeviction, and CONFIG REWRITE to "
			"keep it, or mount with -o allow_eviction",
			server->policy);
	return 0;
}

void redis_server_log(const struct redis_server *before, const struct redis_server *now)
{
	if (now->evicted_keys > before->evicted_keys && before->durability[0])
		log_error("the Redis server has evicted %" PRIu64 " keys: conversations may be "
			  "lost: redis-cli CONFIG SET maxmemory-policy noeviction",
			now->evicted_keys - before->evicted_keys);
	if (strcmp(before->problem, now->problem) != 0) {
		if (now->problem[0])
			log_warning("Redis: %s", now->problem);
		else
			log_notice("Redis: what was wrong is no more: %s", before->problem);
	}
	if (before->durability[0] && strcmp(before->durability, now->durability) != 0)
		log_notice("Redis: from now on: %s", now->durability);
}

void redis_server_away(int rc, char ret[REDIS_AWAY_MAX])
{
	if (rc == -EACCES)
		snprintf(ret, REDIS_AWAY_MAX, "refuses the user or password it is given");
	else
		snprintf(ret, REDIS_AWAY_MAX, "does not answer (%s)", strerror(-rc));
}
