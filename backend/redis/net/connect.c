/* A new connection: to one of the addresses, with TLS if asked for; greet.c says hello. */
#include "inside.h"

#include "base/cleanup.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A socket that is connected by then. The descriptor, or -errno. */
static int socket_connect(const struct sockaddr *address, socklen_t size,
	const struct waiter *waiter, int64_t deadline_ms)
{
	CLEAN_FD int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, address, size) < 0) {
		struct pollfd out = {.fd = fd, .events = POLLOUT};
		int error = 0;
		socklen_t error_size = sizeof(error);
		if (errno != EINPROGRESS && errno != EINTR)
			return -errno;
		int rc = wait_poll(waiter, &out, 1, deadline_ms);
		if (rc <= 0)
			return rc < 0 ? rc : -ETIMEDOUT;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0)
			return -errno;
		if (error)
			return -error;
	}
	int taken = fd;
	fd = -1;
	return taken;
}

/* A unix socket whose server is slow to accept says EAGAIN, and never becomes ready for it. */
static int unix_connect(const char *path, const struct waiter *waiter, int64_t deadline_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	for (;;) {
		int fd = socket_connect(
			(const struct sockaddr *)&address, sizeof(address), waiter, deadline_ms);
		if (fd != -EAGAIN)
			return fd;
		if (wait_left_ms(deadline_ms) == 0)
			return -ETIMEDOUT;
		int rc = wait_until(waiter, wait_now_ms() + 20);
		if (rc < 0)
			return rc;
	}
}

/* Small commands at once; a peer that is gone without a word is found out. Best effort. */
static void tcp_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 30},
		{IPPROTO_TCP, TCP_KEEPINTVL, 5},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value,
			sizeof(options[i].value));
}

/* Each address in turn, none of them with more than its share of the time. */
static int tcp_connect(const struct link_target *target, int64_t deadline_ms)
{
	struct addrinfo *list;
	int left = 0, fd = -EHOSTUNREACH;
	int rc = resolver_find(target->resolver, target->url->host, target->url->port,
		target->waiter, deadline_ms, &list);

	if (rc < 0)
		return rc;
	for (struct addrinfo *a = list; a; a = a->ai_next)
		left++;
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next, left--)
		fd = socket_connect(a->ai_addr, a->ai_addrlen, target->waiter,
			wait_now_ms() + wait_left_ms(deadline_ms) / left);
	freeaddrinfo(list);
	if (fd >= 0)
		tcp_tune(fd);
	return fd;
}

static int connect_failed(const struct redis_url *url, int rc, struct errtext *error)
{
	if (rc == -ENOENT && url->host)
		return errtext_set(error, -EHOSTUNREACH, "%s: no such host", url->shown);
	if (rc == -ENOENT)
		return errtext_set(
			error, rc, "%s: no such socket: is the server running?", url->shown);
	if (rc == -ENAMETOOLONG)
		return errtext_set(
			error, -EINVAL, "%s: the path is too long for a socket", url->shown);
	if (rc == -ETIMEDOUT)
		return errtext_set(error, rc, "%s does not answer", url->shown);
	/* EACCES of a socket's file too. */
	return errtext_set(error, rc, "%s: %s%s", url->shown, strerror(-rc),
		rc == -ECONNREFUSED ? ": is the server running?" : "");
}

static int link_connect(struct link *link, const struct link_target *target, int64_t deadline_ms,
	struct errtext *error)
{
	const struct redis_url *url = target->url;
	int fd = url->path ? unix_connect(url->path, target->waiter, deadline_ms)
			   : tcp_connect(target, deadline_ms);

	if (fd < 0)
		return connect_failed(url, fd, error);
	link->fd = fd;
	return url->tls ? tls_open(fd, url->host, target->waiter, deadline_ms, &link->tls, error)
			: 0;
}

int link_open(const struct link_target *target, int64_t deadline_ms, struct link **ret,
	struct errtext *error)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return -ENOMEM;
	link->fd = -1;
	link->waiter = target->waiter;
	link->fresh = true;
	int rc = link_reader_make(link);
	if (rc == 0)
		rc = link_connect(link, target, deadline_ms, error);
	if (rc == 0)
		rc = link_greet(link, target->url, deadline_ms, error);
	if (rc < 0) {
		link_close(link);
		return rc;
	}
	*ret = link;
	return 0;
}
