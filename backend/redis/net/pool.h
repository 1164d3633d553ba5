/*
 * Connections to one Redis server, made on demand, each used by one call at a time; every call ends
 * within the timeout, whatever the server or the network does.
 *
 * ERRORS (rule F2). All calls return 0 or -errno: ENOSPC (OOM, MISCONF), EROFS (READONLY, after the
 * name was resolved and connected to once more), EACCES (NOAUTH, WRONGPASS, NOPERM), ETIMEDOUT (no
 * answer in time, or none could be connected to), EIO (WRONGTYPE, bad protocol, and what is left of
 * LOADING, BUSY, MASTERDOWN, TRYAGAIN and too many clients when they have been retried until the
 * timeout), ENOMEM, EMFILE. Each is logged once, with `about` (a thread, or "" ), never with an
 * argument; while the server is away that it is away is logged once, and once that it is back. An
 * answer of our own scripts "-TURNFS NAME …" becomes -NAME (ENOENT, EEXIST, ESTALE, EDQUOT …),
 * which is not logged; an unknown NAME is -EIO and is.
 */
#pragma once

#include "args.h"
#include "script.h"
#include "url.h"

#include "base/errtext.h"

#include <hiredis/hiredis.h>

struct redis_pool;

struct redis_pool_options {
	int timeout_ms; /* of every call, connecting included */
	unsigned replicas; /* redis_write() with `durable` waits for so many (WAIT); 0: none */
	const char *tokens_key; /* the hash in which this mount's writes leave their tokens */
	unsigned connections; /* at most; 0: 16 */
};

/*
 * Connects once, so that what cannot work is known at mount. `url` is borrowed until
 * redis_pool_close(). On failure -errno with a sentence: what happened, what to do, no password.
 */
int redis_pool_open(const struct redis_url *url, const struct redis_pool_options *options,
	struct redis_pool **ret, struct errtext *error);
void redis_pool_close(struct redis_pool *pool); /* takes NULL; no call may be under way */

/* Ends all calls that are under way or come, with -ETIMEDOUT: the mount ends. */
void redis_pool_shutdown(struct redis_pool *pool);

/*
 * Sends a command that changes nothing, again if a connection breaks, until the timeout. *ret is
 * never an error; the caller frees it with freeReplyObject().
 */
int redis_read(struct redis_pool *pool, const struct redis_args *args, const char *about,
	redisReply **ret);

/* The same with a script: `args` are KEYS and ARGV, `keys` of them KEYS. */
int redis_read_script(struct redis_pool *pool, const struct redis_script *script, size_t keys,
	const struct redis_args *args, const char *about, redisReply **ret);

/*
 * Runs a script that changes something, exactly once or not at all. The script is made with
 * SCRIPT_WRITES; the pool puts KEYS[1] (tokens_key) and ARGV[1..2] (slot, sequence number) before
 * what is in `args`, so that the caller's first key is KEYS[2] and its first argument ARGV[3]. If
 * the connection breaks before the answer has come, the token is looked up on the next connection:
 * done, and the answer it had is returned; or not done, and fenced off so that it never will be:
 * then it is sent anew. If no connection can be had in time the outcome is unknown: -ETIMEDOUT.
 * `durable`: wait for the replicas asked for; fewer in time are -EIO, though the change was made.
 */
int redis_write(struct redis_pool *pool, const struct redis_script *script, size_t keys,
	const struct redis_args *args, bool durable, const char *about, redisReply **ret);

/*
 * Waits until what was written before is in the server's append-only file (WAITAOF, from Redis 7.2
 * on), where it has one and knows the command; else returns 0 at once. -EIO: not in time, or the
 * server says that it cannot.
 */
int redis_sync(struct redis_pool *pool);

/* What is known of the server since it was connected to last. */
struct redis_facts {
	char name[16]; /* "Redis" or "Valkey" */
	char version[32]; /* "7.0.15" */
	bool waitaof; /* knows WAITAOF */
	bool cluster; /* cluster_enabled:1 */
};
void redis_pool_facts(struct redis_pool *pool, struct redis_facts *ret);

/* Unix time by the server's clock, as measured at connecting and by ticks, counted on by
 * clock_steady(). */
int64_t redis_pool_now_ms(struct redis_pool *pool);

/*
 * Every now and then, from a thread of the store's: keeps the tokens key alive, measures the clock
 * anew, closes connections that have been idle for a minute. It takes half a second at most and
 * does nothing if it did so less than two seconds ago; what fails is tried again the next time.
 */
void redis_pool_tick(struct redis_pool *pool);

/* Whether the last call reached the server; if not, -errno of why in *ret_error (or NULL). */
bool redis_pool_is_up(struct redis_pool *pool, int *ret_error);
