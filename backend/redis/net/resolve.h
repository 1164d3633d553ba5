/* Names into addresses without waiting longer than allowed: getaddrinfo() knows no deadline. */
#pragma once

#include "wait.h"

#include <netdb.h>
#include <pthread.h>

struct lookup;

struct resolver {
	pthread_mutex_t lock;
	struct lookup *late; /* under lock: those nobody waits for any more; libc still does */
};

void resolver_init(struct resolver *r);
/* A lookup that libc cannot give up is left to it: a few hundred bytes, once. */
void resolver_done(struct resolver *r);

/*
 * The addresses of a host, for freeaddrinfo(). 0; -ENOENT: there is no such name (for now);
 * -ETIMEDOUT; -ENOMEM.
 */
int resolver_find(struct resolver *r, const char *host, int port, const struct waiter *waiter,
	int64_t deadline_ms, struct addrinfo **ret);
