/* Waiting for descriptors, with a deadline and a way to end it; see wait.h. */
#include "wait.h"

#include <assert.h>
#include <errno.h>

int wait_poll(const struct waiter *waiter, struct pollfd *fds, unsigned count, int64_t deadline_ms)
{
	struct pollfd all[WAIT_FDS + 1] = {{.fd = waiter->stop_fd, .events = POLLIN}};

	assert(count <= WAIT_FDS);
	for (unsigned i = 0; i < count; i++)
		all[i + 1] = fds[i];
	for (;;) {
		int left = wait_left_ms(deadline_ms);
		int step = left > WAIT_STEP_MS ? WAIT_STEP_MS : left;
		int ready = poll(all, count + 1, step);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready > 0 && all[0].revents)
			return -ETIMEDOUT;
		for (unsigned i = 0; i < count && ready > 0; i++)
			fds[i].revents = all[i + 1].revents;
		if (ready > 0 || (ready == 0 && step == left))
			return ready;
		if (ready == 0 && waiter->on_step)
			waiter->on_step(waiter->arg);
	}
}
