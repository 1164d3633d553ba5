/* Names into addresses within a deadline, each by a thread of its own; see resolve.h. */
#include "resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Its thread has it to itself until done_fd is readable. */
struct lookup {
	struct lookup *next; /* under the resolver's lock */
	pthread_t thread;
	int done_fd;
	int code; /* getaddrinfo()'s */
	struct addrinfo *result;
	char port[8];
	char host[];
};

void resolver_init(struct resolver *r)
{
	pthread_mutex_init(&r->lock, NULL);
	r->late = NULL;
}

static void *lookup_run(void *arg)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct lookup *lookup = arg;

	lookup->code = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->result);
	eventfd_write(lookup->done_fd, 1);
	return NULL;
}

static int lookup_start(const char *host, int port, struct lookup **ret)
{
	size_t size = strlen(host) + 1;
	struct lookup *lookup = calloc(1, sizeof(*lookup) + size);

	if (!lookup)
		return -ENOMEM;
	memcpy(lookup->host, host, size);
	snprintf(lookup->port, sizeof(lookup->port), "%d", port);
	lookup->done_fd = eventfd(0, EFD_CLOEXEC);
	if (lookup->done_fd >= 0 &&
		pthread_create(&lookup->thread, NULL, lookup_run, lookup) == 0) {
		*ret = lookup;
		return 0;
	}
	int rc = lookup->done_fd < 0 ? -errno : -ENOMEM;
	if (lookup->done_fd >= 0)
		close(lookup->done_fd);
	free(lookup);
	return rc;
}

/* Takes the addresses of one that is done, and ends it; `ret` may be NULL. */
static int lookup_end(struct lookup *lookup, struct addrinfo **ret)
{
	pthread_join(lookup->thread, NULL);
	int code = lookup->code;
	if (code == 0 && ret)
		*ret = lookup->result;
	else if (code == 0)
		freeaddrinfo(lookup->result);
	close(lookup->done_fd);
	free(lookup);
	return code == 0 ? 0 : code == EAI_MEMORY ? -ENOMEM : -ENOENT;
}

static bool lookup_is_done(const struct lookup *lookup)
{
	struct pollfd fd = {.fd = lookup->done_fd, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

/* Ends those that are done by now. */
static void late_reap(struct resolver *r)
{
	pthread_mutex_lock(&r->lock);
	for (struct lookup **at = &r->late; *at;) {
		struct lookup *lookup = *at;
		if (!lookup_is_done(lookup)) {
			at = &lookup->next;
			continue;
		}
		*at = lookup->next;
		lookup_end(lookup, NULL);
	}
	pthread_mutex_unlock(&r->lock);
}

static void late_add(struct resolver *r, struct lookup *lookup)
{
	pthread_mutex_lock(&r->lock);
	lookup->next = r->late;
	r->late = lookup;
	pthread_mutex_unlock(&r->lock);
}

/* One that still waits for its name server would hold up the end of the mount. */
void resolver_done(struct resolver *r)
{
	late_reap(r);
	for (struct lookup *lookup = r->late; lookup; lookup = lookup->next)
		pthread_detach(lookup->thread);
	pthread_mutex_destroy(&r->lock);
}

/* Addresses in digits need no name server. */
static bool numeric_find(const char *host, int port, struct addrinfo **ret)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	char service[8];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(host, service, &hints, ret) == 0;
}

int resolver_find(struct resolver *r, const char *host, int port, const struct waiter *waiter,
	int64_t deadline_ms, struct addrinfo **ret)
{
	struct lookup *lookup = NULL;

	late_reap(r);
	if (numeric_find(host, port, ret))
		return 0;
	int rc = lookup_start(host, port, &lookup);
	if (rc < 0)
		return rc;
	struct pollfd done = {.fd = lookup->done_fd, .events = POLLIN};
	rc = wait_poll(waiter, &done, 1, deadline_ms);
	if (rc > 0)
		return lookup_end(lookup, ret);
	late_add(r, lookup);
	return rc < 0 ? rc : -ETIMEDOUT;
}
