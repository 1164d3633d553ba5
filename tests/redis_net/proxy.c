/* A proxy that misbehaves on demand: one thread for all its connections; see proxy.h. */
#include "proxy.h"

#include "../unit/unit.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS_MAX = 40 };

struct pair {
	int client, server; /* -1: none */
	enum proxy_mode mode; /* what is done with the next answer */
};

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int server_connect(const struct proxy *p)
{
	struct sockaddr_un address = address_of(p->target);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void pair_close(struct pair *pair)
{
	if (pair->client >= 0)
		close(pair->client);
	if (pair->server >= 0)
		close(pair->server);
	*pair = (struct pair){-1, -1, PROXY_PASS};
}

static void pair_open(struct proxy *p, struct pair *pairs)
{
	int client = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; i < PAIRS_MAX && client >= 0; i++) {
		if (pairs[i].client >= 0)
			continue;
		atomic_fetch_add(&p->connections, 1);
		pairs[i] = (struct pair){client, server_connect(p), PROXY_PASS};
		if (pairs[i].server < 0)
			pair_close(&pairs[i]);
		return;
	}
	if (client >= 0)
		close(client);
}

static enum proxy_mode mode_take(struct proxy *p, const char *data, size_t size)
{
	if (!memmem(data, size, "EVALSHA", 7) || atomic_load(&p->left) <= 0)
		return PROXY_PASS;
	atomic_fetch_sub(&p->left, 1);
	return atomic_load(&p->mode);
}

static void hold(struct proxy *p, const char *data, size_t size)
{
	pthread_mutex_lock(&p->lock);
	memcpy(p->held, data, size);
	p->held_size = size;
	pthread_mutex_unlock(&p->lock);
}

static void to_server(struct proxy *p, struct pair *pair)
{
	char data[65536];
	ssize_t got = read(pair->client, data, sizeof(data));
	enum proxy_mode mode = got > 0 ? mode_take(p, data, (size_t)got) : PROXY_CUT_REQUEST;
	const char *answer = atomic_load(&p->answer);

	if (mode == PROXY_HOLD)
		hold(p, data, (size_t)got);
	if (mode == PROXY_HOLD || mode == PROXY_CUT_REQUEST) {
		pair_close(pair);
	} else if (mode == PROXY_ANSWER) {
		if (send(pair->client, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			pair_close(pair);
	} else {
		if (mode != PROXY_PASS)
			pair->mode = mode;
		if (send(pair->server, data, (size_t)got, MSG_NOSIGNAL) != got)
			pair_close(pair);
	}
}

/* Until the one who reads has had enough. */
static bool drip(struct proxy *p, int fd, const char *data, ssize_t size)
{
	for (ssize_t i = 0; i < size; i++) {
		if (send(fd, data + i, 1, MSG_NOSIGNAL) != 1)
			return false;
		usleep((useconds_t)atomic_load(&p->drip_us));
	}
	return true;
}

static void to_client(struct proxy *p, struct pair *pair)
{
	char data[65536];
	ssize_t got = read(pair->server, data, sizeof(data));
	bool good = got > 0 && pair->mode != PROXY_CUT_REPLY;

	if (good && pair->mode == PROXY_STALL)
		return;
	if (good && pair->mode == PROXY_DRIP)
		good = drip(p, pair->client, data, got);
	else if (good)
		good = send(pair->client, data, (size_t)got, MSG_NOSIGNAL) == got;
	if (!good)
		pair_close(pair);
}

static void *proxy_run(void *arg)
{
	struct proxy *p = arg;
	struct pair pairs[PAIRS_MAX];

	for (size_t i = 0; i < PAIRS_MAX; i++)
		pairs[i] = (struct pair){-1, -1, PROXY_PASS};
	for (;;) {
		struct pollfd fds[2 + 2 * PAIRS_MAX] = {
			{.fd = p->stop_fd, .events = POLLIN}, {.fd = p->fd, .events = POLLIN}};
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			fds[2 + 2 * i] = (struct pollfd){pairs[i].client, POLLIN, 0};
			fds[3 + 2 * i] = (struct pollfd){pairs[i].server, POLLIN, 0};
		}
		poll(fds, 2 + 2 * PAIRS_MAX, -1);
		if (fds[0].revents)
			break;
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			if (fds[2 + 2 * i].revents)
				to_server(p, &pairs[i]);
			if (fds[3 + 2 * i].revents && pairs[i].client >= 0)
				to_client(p, &pairs[i]);
		}
		if (fds[1].revents)
			pair_open(p, pairs);
	}
	for (size_t i = 0; i < PAIRS_MAX; i++)
		pair_close(&pairs[i]);
	return NULL;
}

void proxy_start(struct proxy *p, const char *target)
{
	struct sockaddr_un address;

	memset(p, 0, sizeof(*p));
	p->target = target;
	snprintf(p->path, sizeof(p->path), "%s.p", target);
	address = address_of(p->path);
	unlink(p->path);
	pthread_mutex_init(&p->lock, NULL);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	p->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(p->fd, 64), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, proxy_run, p), 0);
}

void proxy_set(struct proxy *p, enum proxy_mode mode, int times)
{
	atomic_store(&p->mode, mode);
	atomic_store(&p->left, times);
}

void proxy_release(struct proxy *p)
{
	char answer[256];
	int fd = server_connect(p);

	pthread_mutex_lock(&p->lock);
	assert_true(p->held_size > 0);
	assert_int_equal(write(fd, p->held, p->held_size), p->held_size);
	pthread_mutex_unlock(&p->lock);
	assert_true(read(fd, answer, sizeof(answer)) > 0);
	close(fd);
}

void proxy_stop(struct proxy *p)
{
	eventfd_write(p->stop_fd, 1);
	pthread_join(p->thread, NULL);
	close(p->fd);
	close(p->stop_fd);
	unlink(p->path);
	pthread_mutex_destroy(&p->lock);
}
