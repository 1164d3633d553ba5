/*
 * What others change, told as it happens: invalidations of keys under some prefixes (CLIENT
 * TRACKING with BCAST, redirected to a second connection, as RESP2 needs it; Redis 6 and later) and
 * messages of a channel. One thread, two connections of its own, connected again when they break.
 */
#pragma once

#include "pool.h"

struct redis_watch;

struct redis_watch_options {
	const char *const *prefixes; /* NULL-terminated; borrowed */
	const char *channel; /* or NULL; borrowed */
	int ping_ms; /* how long nothing may be heard before the connection counts as broken */
	/*
	 * Called on the watch's thread, in the order in which the server said it. They must not
	 * call the watch; they may call the pool. on_key with key NULL: all keys (FLUSHALL).
	 * on_state(true) comes when changes are told (again), before the first of them; what
	 * changed before is not told. on_state(false): from now on nothing is told.
	 */
	void (*on_key)(void *arg, const char *key, size_t size);
	void (*on_message)(void *arg, const char *data, size_t size);
	void (*on_state)(void *arg, bool up);
	/* All that has come was told: what the server does in one go comes in one go. May be NULL.
	 */
	void (*on_quiet)(void *arg);
	/* At least every half second, also while the server is away. May be NULL. */
	void (*on_tick)(void *arg);
	void *arg;
};

/*
 * Returns when on_state(true) was called, or with -errno when that took longer than the timeout.
 * At once: EACCES (the ACL forbids CLIENT or SUBSCRIBE), EINVAL (older than Redis 6, or no prefixes
 * of which one begins another); the log says which.
 */
int redis_watch_start(struct redis_pool *pool, const struct redis_watch_options *options,
	struct redis_watch **ret);
void redis_watch_stop(struct redis_watch *watch); /* takes NULL; joins the thread */
