/* How durable a server is and what is wrong with it, from INFO and CONFIG, in words. */
#include "inside.h"
#include "server_inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
	const char *info;
	const struct server_config *config;
	const struct redis_facts *facts;
	unsigned replicas;
	struct redis_server *ret;
};

static uint64_t info_number(const struct judge *j, const char *name)
{
	const char *at = info_find(j->info, name);

	return at ? strtoull(at, NULL, 10) : 0;
}

/* "" if it is not told, or too long. */
static void info_word(const struct judge *j, const char *name, char *ret, size_t size)
{
	const char *at = info_find(j->info, name);
	size_t length = at ? strcspn(at, "\r\n") : 0;

	snprintf(ret, size, "%.*s", length < size ? (int)length : 0, at ? at : "");
}

static bool info_is(const struct judge *j, const char *name, const char *value)
{
	const char *at = info_find(j->info, name);
	size_t size = strlen(value);

	return at && strncmp(at, value, size) == 0 && strchr("\r\n", at[size]);
}

/* Puts a sentence behind those that are there; one that does not fit any more is cut. */
__attribute__((format(printf, 3, 4))) static void say(
	char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list args;

	if (used > 0 && used + 2 < size) {
		memcpy(text + used, "; ", 3);
		used += 2;
	}
	va_start(args, format);
	vsnprintf(text + used, size - used, format, args);
	va_end(args);
}

#define PROMISE(...) say(j->ret->durability, sizeof(j->ret->durability), __VA_ARGS__)
#define PROBLEM(...) say(j->ret->problem, sizeof(j->ret->problem), __VA_ARGS__)

static bool has_aof(const struct judge *j)
{
	if (j->config->known)
		return strcmp(j->config->appendonly, "yes") == 0;
	return info_is(j, "aof_enabled", "1");
}

static void promise_aof(const struct judge *j)
{
	const char *sync = j->config->appendfsync;

	if (strcmp(sync, "always") == 0) {
		PROMISE("close() and fsync() return when the server has it on its disk; a power "
			"cut loses nothing (appendonly yes, appendfsync always)");
		return;
	}
	if (strcmp(sync, "everysec") == 0)
		/* A server that is killed while it syncs has not written what came meanwhile. */
		PROMISE("close() returns when the server has it in memory; a power cut or a crash "
			"of the server can lose up to about 2 s of turns (appendonly yes, "
			"appendfsync everysec)");
	else if (strcmp(sync, "no") == 0)
		PROMISE("close() returns when the server has it in memory; a power cut can lose up "
			"to about 30 s of turns (appendonly yes, appendfsync no)");
	else
		PROMISE("close() returns when the server has it in memory; how much a power cut "
			"can "
			"lose is not known, for CONFIG is forbidden (appendonly yes)");
	if (j->facts->waitaof)
		PROMISE("fsync() waits until it is on the server's disk");
	else
		PROMISE("fsync() cannot promise more: WAITAOF comes with Redis 7.2");
}

static void promise_snapshots(const struct judge *j)
{
	PROMISE("close() and fsync() return when the server has it in memory");
	if (!*j->info && !j->config->known)
		PROMISE("what a crash of the server can lose is not known, for INFO and CONFIG are "
			"forbidden");
	else if (!j->config->known)
		PROMISE("a crash or restart of the server can lose everything since its last "
			"snapshot, if it makes any (no append-only file; CONFIG is forbidden)");
	else if (*j->config->save)
		PROMISE("a crash of the server can lose everything since the last snapshot "
			"(appendonly no; save %s)",
			j->config->save);
	else
		PROMISE("any restart of the server loses everything (appendonly no, no save)");
}

static void promise_replicas(const struct judge *j)
{
	unsigned long long there = info_number(j, "connected_slaves");

	if (j->replicas > 0)
		PROMISE("close() also waits until %u %s it (%llu connected)", j->replicas,
			j->replicas == 1 ? "replica has" : "replicas have", there);
	else if (there > 0)
		PROMISE("a failover can lose what its %llu %s not got yet", there,
			there == 1 ? "replica has" : "replicas have");
}

static void write_refused(const struct judge *j, int rc)
{
	j->ret->write_refused = true;
	if (j->ret->error == 0)
		j->ret->error = rc;
}

static void judge_role(const struct judge *j)
{
	unsigned long long there = info_number(j, "connected_slaves");

	j->ret->is_replica = info_is(j, "role", "slave") || info_is(j, "role", "replica");
	if (j->ret->is_replica) {
		write_refused(j, -EROFS);
		PROBLEM("the server is a replica and takes no writes: name its master");
		if (info_is(j, "master_link_status", "down"))
			PROBLEM("it has lost its master, what it shows may be old");
	} else if (there < j->replicas) {
		PROBLEM("%llu of the %u replicas asked for are connected: closing a turn fails "
			"(-o replicas=N)",
			there, j->replicas);
	}
}

/* A replica has what its master evicts; the policy there is what counts, and is not known here. */
static void judge_eviction(const struct judge *j)
{
	struct redis_server *s = j->ret;
	const char *policy = info_find(j->info, "maxmemory_policy");

	if (*j->config->policy)
		snprintf(s->policy, sizeof(s->policy), "%s", j->config->policy);
	else if (policy)
		snprintf(
			s->policy, sizeof(s->policy), "%.*s", (int)strcspn(policy, "\r\n"), policy);
	s->evicts = *s->policy && strcmp(s->policy, "noeviction") != 0;
	if (s->evicts)
		PROBLEM("when its memory is short the server deletes conversations "
			"(maxmemory-policy %s%s): redis-cli CONFIG SET maxmemory-policy noeviction",
			s->policy,
			strncmp(s->policy, "volatile-", 9) == 0 ? ", which takes exactly our keys"
								: "");
	if (!*s->policy)
		PROBLEM("whether the server evicts keys is not known: INFO and CONFIG are "
			"forbidden");
}

static void judge_memory(const struct judge *j)
{
	struct redis_server *s = j->ret;

	s->used_memory = info_number(j, "used_memory");
	s->max_memory = info_number(j, "maxmemory");
	s->system_memory = info_number(j, "total_system_memory");
	s->evicted_keys = info_number(j, "evicted_keys");
	info_word(j, "run_id", s->run_id, sizeof(s->run_id));
	if (!s->evicts && s->max_memory > 0 && s->used_memory >= s->max_memory) {
		write_refused(j, -ENOSPC);
		PROBLEM("its memory is full and writes are refused: redis-cli CONFIG SET maxmemory "
			"BYTES, with more than %llu",
			(unsigned long long)s->max_memory);
	}
}

static void judge_disk(const struct judge *j)
{
	if (info_is(j, "aof_last_write_status", "err")) {
		write_refused(j, -ENOSPC);
		PROBLEM("it cannot write its append-only file: free space on its disk");
	}
	if (info_is(j, "aof_last_bgrewrite_status", "err"))
		PROBLEM("its append-only file could not be rewritten: free space on its disk, then "
			"redis-cli BGREWRITEAOF");
	if (!info_is(j, "rdb_last_bgsave_status", "err"))
		return;
	PROBLEM("its last snapshot failed: free space on its disk, then redis-cli BGSAVE");
	if (strcmp(j->config->stop_writes, "yes") == 0 && *j->config->save)
		write_refused(j, -ENOSPC);
}

static void judge_persistence(const struct judge *j)
{
	if (!*j->info && !j->config->known)
		PROBLEM("how durable the server is is not known: allow INFO to turnfs's user");
	else if (!has_aof(j))
		PROBLEM("the server keeps no append-only file (appendonly no): redis-cli CONFIG "
			"SET "
			"appendonly yes");
	else if (strcmp(j->config->appendfsync, "no") == 0)
		PROBLEM("the server leaves it to its kernel when it writes to disk (appendfsync "
			"no): "
			"redis-cli CONFIG SET appendfsync everysec");
	if (strstr(j->ret->problem, "CONFIG SET"))
		PROBLEM("redis-cli CONFIG REWRITE keeps what was SET when the server restarts");
}

void server_judge(const char *info, const struct server_config *config,
	const struct redis_facts *facts, unsigned replicas, struct redis_server *ret)
{
	const struct judge j = {info, config, facts, replicas, ret};

	*ret = (struct redis_server){0};
	if (has_aof(&j))
		promise_aof(&j);
	else
		promise_snapshots(&j);
	promise_replicas(&j);
	judge_role(&j);
	judge_disk(&j);
	judge_eviction(&j);
	judge_memory(&j);
	judge_persistence(&j);
}
