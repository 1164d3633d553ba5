/* How durable a Redis server is, said in words, and what about it endangers conversations (R6). */
#pragma once

#include "pool.h"

#include "backend.h"

/*
 * Read by INFO (server, persistence, replication, memory, stats) and CONFIG GET; where CONFIG is
 * forbidden (ACL, managed servers) what INFO tells is used, and what stays unknown is called so.
 */
struct redis_server {
	char durability[512]; /* what close() and fsync() promise, and the worst loss */
	char problem[512]; /* empty, or what is wrong and the command that mends it */
	bool evicts; /* maxmemory-policy is not noeviction */
	char policy[32]; /* "" if unknown */
	bool is_replica;
	bool write_refused; /* disk or memory full, AOF or RDB failing with stop-writes: error says
			     */
	int error; /* -errno that a write would get, 0: none known */
	uint64_t used_memory, max_memory, system_memory; /* bytes; max_memory 0: no limit */
	uint64_t evicted_keys;
	char run_id[48]; /* another one: it was started anew, or is another server; "" if unknown */
};

/* 0 or -errno. `replicas` is the mount's option, for the sentence. */
int redis_server_read(struct redis_pool *pool, unsigned replicas, struct redis_server *ret);

enum { REDIS_AWAY_MAX = 128 };

/* Why calls fail with `rc`, as what the server does: "does not answer (Connection refused)". */
void redis_server_away(int rc, char ret[REDIS_AWAY_MAX]);

/*
 * R6: whether a read-write mount must be refused: any policy but noeviction, unless it is allowed;
 * a replica; a cluster. 0, or -EPERM/-EROFS/-EINVAL with the sentence and the command that mends
 * it.
 */
int redis_server_check(const struct redis_server *server, const struct redis_facts *facts,
	bool read_only, bool allow_eviction, struct errtext *error);

/* What changed for the worse or the better since `before`, in the log, a line each. */
void redis_server_log(const struct redis_server *before, const struct redis_server *now);
