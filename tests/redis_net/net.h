/* What the tests of backend/redis/net/ share: a server, pools on it, scripts, the log. */
#pragma once

#include "../unit/unit.h"
#include "proxy.h"
#include "redis/net/pool.h"
#include "testserver.h"

#include <string.h>

extern const char *program; /* redis-server or valkey-server */
extern struct test_server server; /* running, empty at each test's start */

/* A pool and the URL it borrows. */
struct net {
	struct redis_url url;
	struct redis_pool *pool;
};

/* `login`: "user:password@" or "". Opens or fails the test. */
void net_open(struct net *net, const char *login, const char *path, int timeout_ms);
extern unsigned net_replicas; /* that the next pool waits for */
int net_try(struct net *net, const char *login, const char *path, int timeout_ms,
	struct errtext *error);
void net_close(struct net *net);

/* INCRBY key 1 by a script that writes; the answer, or -errno. */
long long net_count(struct net *net, const char *key);
long long net_count_durably(struct net *net, const char *key); /* and waits for replicas */
int net_ping(struct net *net); /* ECHO, by redis_read() */
long long net_get(struct net *net, const char *key); /* by a script that reads; -errno */

int64_t now_ms(void);
void sleep_ms(int ms);
bool wait_for(bool (*condition)(void *arg), void *arg, int ms);

/* The log since log_catch(), which ends up in a file; how many lines have `text`. */
void log_catch(void);
unsigned log_lines(const char *text);
void log_let(void);

extern const struct CMUnitTest calls_tests[], lost_tests[], away_tests[], refused_tests[],
	false_tests[], watch_tests[], tls_tests[], replicas_tests[];
extern const size_t calls_count, lost_count, away_count, refused_count, false_count, watch_count,
	tls_count, replicas_count;
