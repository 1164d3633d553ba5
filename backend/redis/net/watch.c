/* The thread that hears what others change, on two connections; see watch.h. */
#include "watch_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BACKOFF_LEAST_MS = 50, BACKOFF_MOST_MS = 1000 };

static void watch_tick(void *arg)
{
	struct redis_watch *w = arg;

	w->ticked_ms = wait_now_ms();
	if (w->options.on_tick)
		w->options.on_tick(w->options.arg);
}

static void tick_if_due(struct redis_watch *w)
{
	if (wait_now_ms() - w->ticked_ms >= WAIT_STEP_MS)
		watch_tick(w);
}

static void state_set(struct redis_watch *w, bool up, int error)
{
	bool was;

	pthread_mutex_lock(&w->lock);
	was = w->up;
	pthread_mutex_unlock(&w->lock);
	if (was != up)
		w->options.on_state(w->options.arg, up);
	pthread_mutex_lock(&w->lock);
	w->up = up;
	w->error = error;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void links_close(struct redis_watch *w)
{
	link_close(w->ears);
	link_close(w->eyes);
	w->ears = w->eyes = NULL;
}

static void tell_keys(struct redis_watch *w, const redisReply *keys)
{
	if (keys->type == REDIS_REPLY_NIL)
		w->options.on_key(w->options.arg, NULL, 0);
	if (keys->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i < keys->elements; i++)
		if (keys->element[i]->type == REDIS_REPLY_STRING)
			w->options.on_key(
				w->options.arg, keys->element[i]->str, keys->element[i]->len);
}

static bool text_is(const redisReply *reply, const char *text)
{
	return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
}

/* {"message", channel, what}; anything else (a PONG) has told us that the server is there. */
static void tell(struct redis_watch *w, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
		!text_is(reply->element[0], "message"))
		return;
	const redisReply *channel = reply->element[1], *what = reply->element[2];
	if (text_is(channel, WATCH_INVALIDATE))
		tell_keys(w, what);
	else if (what->type == REDIS_REPLY_STRING && w->options.on_message)
		w->options.on_message(w->options.arg, what->str, what->len);
}

/* All that has come on a link. 0 or -errno: it is broken. */
static int hear(struct redis_watch *w, struct link *link)
{
	int rc = link_pump(link);

	for (;;) {
		redisReply *reply = NULL;
		int parsed = link_reply(link, &reply);
		if (parsed < 0)
			return parsed;
		if (!reply && link == w->ears && w->options.on_quiet)
			w->options.on_quiet(w->options.arg);
		if (!reply)
			return rc;
		if (link == w->ears)
			tell(w, reply);
		freeReplyObject(reply);
		tick_if_due(w);
	}
}

static bool was_heard(const struct redis_watch *w)
{
	return w->ears->heard_ms >= w->asked_ms && w->eyes->heard_ms >= w->asked_ms;
}

static int ping(struct redis_watch *w)
{
	CLEAN_ARGS struct redis_args args = {0};
	int64_t now_ms = wait_now_ms();

	if (now_ms - w->pinged_ms < w->options.ping_ms / 3)
		return 0;
	if (was_heard(w))
		w->asked_ms = now_ms;
	w->pinged_ms = now_ms;
	redis_args_add(&args, "PING");
	int rc = link_add(w->ears, &args);
	return rc < 0 ? rc : link_add(w->eyes, &args);
}

/* Asked after all that has come was read, so that our own slowness is not taken for theirs. */
static bool is_silent(const struct redis_watch *w)
{
	return !was_heard(w) && wait_now_ms() - w->asked_ms > w->options.ping_ms * 2 / 3;
}

/* Waits for something on either link, until the next ping is due. */
static int listen_wait(struct redis_watch *w)
{
	struct pollfd fds[] = {link_poll(w->ears), link_poll(w->eyes)};
	int rc = wait_poll(&w->waiter, fds, 2, w->pinged_ms + w->options.ping_ms / 3 + 1);

	return rc < 0 ? rc : 0;
}

/* Hears until a link breaks or it is to stop: why, -errno. */
static int watch_listen(struct redis_watch *w)
{
	int rc = 0;

	w->pinged_ms = w->asked_ms = wait_now_ms() - w->options.ping_ms / 3;
	while (rc == 0) {
		tick_if_due(w);
		rc = ping(w);
		if (rc == 0)
			rc = hear(w, w->ears);
		if (rc == 0)
			rc = hear(w, w->eyes);
		if (rc == 0 && is_silent(w))
			rc = -ETIMEDOUT;
		if (rc == 0)
			rc = listen_wait(w);
	}
	return rc;
}

static bool is_stopping(const struct redis_watch *w)
{
	return wait_poll(&w->waiter, NULL, 0, 0) < 0;
}

static void *watch_run(void *arg)
{
	struct redis_watch *w = arg;
	int backoff_ms = BACKOFF_LEAST_MS;

	while (!is_stopping(w)) {
		int rc = watch_open(w);
		if (rc == 0) {
			w->told = 0;
			backoff_ms = BACKOFF_LEAST_MS;
			state_set(w, true, 0);
			rc = watch_listen(w);
		}
		links_close(w);
		state_set(w, false, link_errno(rc));
		tick_if_due(w);
		wait_until(&w->waiter, wait_now_ms() + backoff_ms);
		backoff_ms = backoff_ms * 2 < BACKOFF_MOST_MS ? backoff_ms * 2 : BACKOFF_MOST_MS;
	}
	return NULL;
}

/* Until the first time it is up; an error that will not pass by itself ends it sooner. */
static int first_await(struct redis_watch *w)
{
	struct timespec deadline = wait_timespec(wait_now_ms() + w->pool->timeout_ms);
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->up && rc == 0 && w->error != -EACCES && w->error != -EINVAL)
		rc = -pthread_cond_timedwait(&w->changed, &w->lock, &deadline);
	rc = w->up ? 0 : w->error ? w->error : -ETIMEDOUT;
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int watch_begin(struct redis_watch *w)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->ticked_ms = wait_now_ms();
	w->waiter = (struct waiter){
		.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.on_step = watch_tick,
		.arg = w,
	};
	if (w->waiter.stop_fd < 0)
		return -errno;
	return -pthread_create(&w->thread, NULL, watch_run, w);
}

static void watch_free(struct redis_watch *w)
{
	if (w->waiter.stop_fd >= 0)
		close(w->waiter.stop_fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int redis_watch_start(struct redis_pool *pool, const struct redis_watch_options *options,
	struct redis_watch **ret)
{
	struct redis_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->pool = pool;
	w->options = *options;
	int rc = watch_begin(w);
	if (rc < 0) {
		watch_free(w);
		return rc;
	}
	rc = first_await(w);
	if (rc < 0) {
		redis_watch_stop(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void redis_watch_stop(struct redis_watch *w)
{
	if (!w)
		return;
	eventfd_write(w->waiter.stop_fd, 1);
	pthread_join(w->thread, NULL);
	links_close(w);
	watch_free(w);
}
