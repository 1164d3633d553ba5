/* Telling whoever asks after the end that it is over; see drain.h. */
#include "drain.h"

#include "base/log.h"

#include <errno.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A WRITE has up to 256 pages behind its header (FUSE_MAX_MAX_PAGES of the kernel). */
enum { REQUEST_MAX = (256 + 1) * 4096 };

/* What the kernel does not wait for an answer to. */
static bool is_one_way(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INTERRUPT;
}

static bool answer_one(struct drain *drain)
{
	struct fuse_in_header in;
	ssize_t got = read(drain->fd, drain->buffer, REQUEST_MAX);
	if (got < 0)
		return errno == EINTR || errno == EAGAIN || errno == ENOENT;
	if ((size_t)got < sizeof in)
		return false;
	memcpy(&in, drain->buffer, sizeof in);
	const struct fuse_out_header out = {
		.len = sizeof out, .error = -ENOTCONN, .unique = in.unique};
	if (!is_one_way(in.opcode) && write(drain->fd, &out, sizeof out) < 0)
		log_debug("a request at the end could not be answered: %s", strerror(errno));
	return true;
}

/* A signal tells nobody but the session. False: the mount has ended first. */
static bool wait_for_the_end(struct drain *drain)
{
	enum { LOOK_MS = 250 };
	struct pollfd stop = {.fd = drain->stop_fd, .events = POLLIN};
	while (!fuse_session_exited(drain->session) && !atomic_load(drain->ending))
		if (poll(&stop, 1, LOOK_MS) > 0)
			return false;
	return true;
}

static void *drain_run(void *arg)
{
	struct drain *drain = arg;
	if (!wait_for_the_end(drain))
		return NULL;
	for (;;) {
		struct pollfd fds[] = {{.fd = drain->stop_fd, .events = POLLIN},
			{.fd = drain->fd, .events = POLLIN}};
		poll(fds, 2, -1);
		if (fds[0].revents || (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)))
			return NULL; /* we are done, or the kernel has unmounted */
		if ((fds[1].revents & POLLIN) && !answer_one(drain))
			return NULL;
	}
}

void drain_start(struct drain *drain, struct fuse_session *session, const atomic_bool *ending)
{
	*drain = (struct drain){.session = session,
		.ending = ending,
		.fd = fuse_session_fd(session),
		.stop_fd = eventfd(0, EFD_CLOEXEC),
		.buffer = malloc(REQUEST_MAX)};
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	drain->started = drain->fd >= 0 && drain->stop_fd >= 0 && drain->buffer &&
			 !pthread_create(&drain->thread, NULL, drain_run, drain);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!drain->started)
		log_warning("nobody answers those who ask while the mount ends");
}

void drain_stop(struct drain *drain)
{
	if (drain->started) {
		eventfd_write(drain->stop_fd, 1);
		pthread_join(drain->thread, NULL);
	}
	if (drain->stop_fd >= 0)
		close(drain->stop_fd);
	free(drain->buffer);
}
