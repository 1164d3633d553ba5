/*
 * From when the session is over (a signal) until the mount has ended: whoever asks is told so.
 *
 * A process that waits for an answer may hold a directory locked, and a thread of ours that tells
 * the kernel of that directory waits for it: without an answer both would wait for ever.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fuse_session;

struct drain {
	struct fuse_session *session;
	const atomic_bool *ending; /* libfuse forgets that it is over when its loop ends */
	int fd; /* its descriptor */
	int stop_fd;
	char *buffer;
	pthread_t thread;
	bool started;
};

/*
 * Before the session is served: a thread that answers every request with ENOTCONN once
 * fuse_session_exited(), or *ending. Without memory or a thread for it, nobody is answered.
 */
void drain_start(struct drain *drain, struct fuse_session *session, const atomic_bool *ending);
void drain_stop(struct drain *drain);
