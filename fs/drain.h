/*
 * After the last request was served, while the mount ends: whoever asks now is told that it is
 * over.
 *
 * A process that waits for an answer may hold a directory locked, and a thread of ours that tells
 * the kernel of that directory waits for it: without an answer both would wait for ever.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct fuse_session;

struct drain {
	int fd; /* the session's */
	int stop_fd;
	char *buffer;
	pthread_t thread;
	bool started;
};

/* Answers every request with ENOTCONN. Without memory or a thread for it, nobody is answered. */
void drain_start(struct drain *drain, struct fuse_session *session);
void drain_stop(struct drain *drain);
