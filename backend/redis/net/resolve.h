/* Names into addresses without waiting longer than allowed: getaddrinfo() knows no deadline. */
#pragma once

#include "wait.h"

#include <netdb.h>
#include <pthread.h>

struct lookup;

struct resolver {
	pthread_mutex_t lock;
	struct lookup *late; /* under lock: those that nobody waits for any more */
};

void resolver_init(struct resolver *r);
/* A lookup that is under way cannot be ended: it is left behind, some hundred bytes and a thread.
 */
void resolver_done(struct resolver *r);

/*
 * The addresses of a host, for freeaddrinfo(). 0; -ENOENT: there is no such name (for now);
 * -ETIMEDOUT; -ENOMEM.
 */
int resolver_find(struct resolver *r, const char *host, int port, const struct waiter *waiter,
	int64_t deadline_ms, struct addrinfo **ret);
