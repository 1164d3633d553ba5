/* Stands between a pool and its server, and does what bad networks and false servers do. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

/* What it does with a request in which EVALSHA stands. */
enum proxy_mode {
	PROXY_PASS,
	PROXY_CUT_REPLY, /* the server does it, the answer is lost with the connection */
	PROXY_CUT_REQUEST, /* the connection is lost before the server has it */
	PROXY_HOLD, /* the same, but the server gets it at proxy_release() */
	PROXY_ANSWER, /* answers `answer` itself */
	PROXY_STALL, /* nothing comes any more on this connection */
	PROXY_DRIP, /* answers come one byte at a time, each drip_us */
};

struct proxy {
	char path[72];
	const char *target;
	int fd;
	int stop_fd;
	pthread_t thread;
	_Atomic enum proxy_mode mode;
	atomic_int left; /* so many times, then it passes */
	atomic_int connections; /* that were made to it */
	_Atomic(const char *) answer;
	atomic_int drip_us;
	pthread_mutex_t lock;
	char held[4096]; /* under lock */
	size_t held_size; /* under lock */
};

void proxy_start(struct proxy *p, const char *target);
void proxy_set(struct proxy *p, enum proxy_mode mode, int times);
void proxy_release(struct proxy *p); /* and waits for the server's answer */
void proxy_stop(struct proxy *p);
