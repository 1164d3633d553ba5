/* A pool of connections, from its opening to its end; see pool.h. */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void pool_free(struct redis_pool *pool)
{
	slots_done(pool);
	resolver_done(&pool->resolver);
	if (pool->waiter.stop_fd >= 0)
		close(pool->waiter.stop_fd);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->tokens_key);
	free(pool);
}

static void locks_init(struct redis_pool *pool)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int pool_make(const struct redis_url *url, const struct redis_pool_options *options,
	struct redis_pool **ret)
{
	struct redis_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	locks_init(pool);
	resolver_init(&pool->resolver);
	pool->url = url;
	pool->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 1;
	pool->replicas = options->replicas;
	pool->connections = options->connections;
	if (pool->connections == 0 || pool->connections > CONNECTIONS_MAX)
		pool->connections = CONNECTIONS_MAX;
	pool->waiter.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->target = (struct link_target){
		.url = url, .resolver = &pool->resolver, .waiter = &pool->waiter};
	slots_init(pool);
	int rc = pool->waiter.stop_fd < 0 ? -errno : 0;
	pool->tokens_key = strdup(options->tokens_key);
	if (rc < 0 || !pool->tokens_key) {
		pool_free(pool);
		return rc < 0 ? rc : -ENOMEM;
	}
	*ret = pool;
	return 0;
}

/* Too many clients may soon be fewer; all else is said at once. */
static int first_link(struct redis_pool *pool, struct slot *slot, struct errtext *error)
{
	struct call call;
	int rc;

	call_init(&call, pool, "");
	do {
		rc = pool_link_open(pool, &pool->waiter, call.deadline_ms, &slot->link, error);
	} while (rc == -EAGAIN && call_pause(&call));
	return rc == -EAGAIN ? -EIO : rc < 0 ? link_errno(rc) : 0;
}

int redis_pool_open(const struct redis_url *url, const struct redis_pool_options *options,
	struct redis_pool **ret, struct errtext *error)
{
	struct redis_pool *pool;
	struct slot *slot;
	struct call call;
	int rc = pool_make(url, options, &pool);

	if (rc < 0)
		return errtext_set(error, rc, "cannot prepare for Redis: %s", strerror(-rc));
	call_init(&call, pool, "");
	rc = slot_take(&call, &slot);
	if (rc == 0) {
		pool->quiet = true;
		rc = first_link(pool, slot, error);
		pool->quiet = false;
		slot_give(&call, slot);
	}
	if (rc < 0) {
		pool_free(pool);
		return rc;
	}
	*ret = pool;
	return 0;
}

void redis_pool_close(struct redis_pool *pool)
{
	if (pool)
		pool_free(pool);
}

void redis_pool_shutdown(struct redis_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopped = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	eventfd_write(pool->waiter.stop_fd, 1);
}

void redis_pool_facts(struct redis_pool *pool, struct redis_facts *ret)
{
	pthread_mutex_lock(&pool->lock);
	*ret = pool->facts;
	pthread_mutex_unlock(&pool->lock);
}

int64_t redis_pool_now_ms(struct redis_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	int64_t ahead_us = pool->clock.ahead_us;
	pthread_mutex_unlock(&pool->lock);
	return (server_clock_local_us() + ahead_us) / 1000;
}

bool redis_pool_is_up(struct redis_pool *pool, int *ret_error)
{
	pthread_mutex_lock(&pool->lock);
	int away = pool->away;
	pthread_mutex_unlock(&pool->lock);
	if (away && ret_error)
		*ret_error = away;
	return away == 0;
}
