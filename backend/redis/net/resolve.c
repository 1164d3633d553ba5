/* Names into addresses within a deadline, by glibc's own threads; see resolve.h. */
#include "resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MS = 50 };

struct lookup {
	struct lookup *next;
	struct gaicb request;
	struct addrinfo hints;
	char port[8];
	char host[];
};

void resolver_init(struct resolver *r)
{
	pthread_mutex_init(&r->lock, NULL);
	r->late = NULL;
}

static void lookup_free(struct lookup *lookup)
{
	if (lookup->request.ar_result)
		freeaddrinfo(lookup->request.ar_result);
	free(lookup);
}

/* Frees those that have ended by now. */
static void late_reap(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	for (struct lookup **at = &r->late; *at;) {
		struct lookup *lookup = *at;
		if (gai_error(&lookup->request) == EAI_INPROGRESS) {
			at = &lookup->next;
			continue;
		}
		*at = lookup->next;
		lookup_free(lookup);
	}
	pthread_mutex_unlock(&r->lock);
}

void resolver_done(struct resolver *r)
{
	for (struct lookup *lookup = r->late; lookup; lookup = lookup->next)
		gai_cancel(&lookup->request);
	late_reap(r);
	pthread_mutex_destroy(&r->lock);
}

static void late_add(struct resolver *r, struct lookup *lookup)
{
	pthread_mutex_lock(&r->lock);
	lookup->next = r->late;
	r->late = lookup;
	pthread_mutex_unlock(&r->lock);
}

static int lookup_start(const char *host, int port, struct lookup **ret)
{
	size_t size = strlen(host) + 1;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + size);

	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->host, host, size);
	snprintf(lookup->port, sizeof(lookup->port), "%d", port);
	lookup->hints.ai_socktype = SOCK_STREAM;
	lookup->request = (struct gaicb){
		.ar_name = lookup->host,
		.ar_service = lookup->port,
		.ar_request = &lookup->hints,
	};
	struct gaicb *list[] = {&lookup->request};
	if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0) {
		free(lookup);
		return -ENOMEM;
	}
	*ret = lookup;
	return 0;
}

static int lookup_take(struct lookup *lookup, struct addrinfo **ret)
{
	int code = gai_error(&lookup->request);

	if (code == 0) {
		*ret = lookup->request.ar_result;
		lookup->request.ar_result = NULL;
	}
	lookup_free(lookup);
	return code == 0 ? 0 : code == EAI_MEMORY ? -ENOMEM : -ENOENT;
}

/* Addresses in digits need no name server. */
static bool numeric_find(const char *host, int port, struct addrinfo **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	char service[8];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(host, service, &hints, ret) == 0;
}

int resolver_find(struct resolver *r, const char *host, int port, const struct waiter *waiter,
	int64_t deadline_ms, struct addrinfo **ret)
{
	struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
	struct lookup *lookup;

	late_reap(r);
	if (numeric_find(host, port, ret))
		return 0;
	int rc = lookup_start(host, port, &lookup);
	if (rc < 0)
		return rc;
	const struct gaicb *list[] = {&lookup->request};
	while (gai_error(&lookup->request) == EAI_INPROGRESS) {
		if (wait_left_ms(deadline_ms) == 0 || wait_poll(waiter, NULL, 0, 0) < 0) {
			gai_cancel(&lookup->request);
			late_add(r, lookup);
			return -ETIMEDOUT;
		}
		gai_suspend(list, 1, &step);
		if (waiter->on_step)
			waiter->on_step(waiter->arg);
	}
	return lookup_take(lookup, ret);
}
