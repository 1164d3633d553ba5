/* What the files of the watch share. */
#pragma once

#include "inside.h"
#include "watch.h"

#define WATCH_INVALIDATE "__redis__:invalidate" /* redis.io/docs: client-side caching, RESP2 */

struct redis_watch {
	struct redis_pool *pool;
	struct redis_watch_options options;
	struct waiter waiter; /* its descriptor becomes readable at redis_watch_stop() */
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool up; /* under lock */
	int error; /* under lock: why it is not, -errno, or 0 */

	/* The thread's own. */
	struct link *ears; /* subscribed */
	struct link *eyes; /* tracks keys and has it told to `ears` */
	int64_t pinged_ms;
	int64_t asked_ms; /* the first ping since something was heard on both */
	int64_t ticked_ms;
	int told; /* the last failure that was logged */
};

/*
 * Connects both and has keys and channel told. 0 or -errno, logged unless the server is away:
 * EINVAL: it cannot do that; EACCES: it will not. What has been connected stays for links_close().
 */
int watch_open(struct redis_watch *w);
