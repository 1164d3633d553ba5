/* Waiting with a deadline, that can be ended early: ms of a clock that nobody sets, not even a
 * test. */
#pragma once

#include "base/interrupt.h"

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t wait_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is left, for poll(): never less than 0. Nothing, if nobody wants the outcome any more. */
static inline int wait_left_ms(int64_t deadline_ms)
{
	int64_t left = interrupt_is_asked() ? 0 : deadline_ms - wait_now_ms();

	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* The next instant at which to look whether the outcome is wanted still. */
static inline int64_t wait_step_ms(int64_t deadline_ms)
{
	int64_t next = wait_now_ms() + INTERRUPT_STEP_MS;

	return next < deadline_ms ? next : deadline_ms;
}

static inline struct timespec wait_timespec(int64_t ms)
{
	return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

/* What else happens while something is waited for. */
struct waiter {
	int stop_fd; /* once it is readable all waiting ends */
	void (*on_step)(void *arg); /* called every WAIT_STEP_MS or so; or NULL */
	void *arg;
};

enum { WAIT_STEP_MS = INTERRUPT_STEP_MS };

/*
 * Waits for one of up to WAIT_FDS descriptors. How many are ready; 0: the deadline has come;
 * -ETIMEDOUT: it is to stop. Another -errno of poll() is very unlikely.
 */
enum { WAIT_FDS = 2 };
int wait_poll(const struct waiter *waiter, struct pollfd *fds, unsigned count, int64_t deadline_ms);

/* Sleeps until then, or until it is to stop (-ETIMEDOUT). */
static inline int wait_until(const struct waiter *waiter, int64_t deadline_ms)
{
	return wait_poll(waiter, NULL, 0, deadline_ms);
}
