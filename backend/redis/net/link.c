/* Reading and writing on one connection; see link.h. */
#include "inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CHUNK = 32 << 10, /* read at a time */
	OUT_LEAST = 4 << 10, /* so that no buffer with a password in it is moved */
	OUT_KEPT = 64 << 10, /* of the buffer for sending, between calls */
	DEPTH_MAX = 7, /* of arrays in arrays */
	ELEMENTS_MAX = 4 << 20, /* in all arrays of one reply: a page has thousands at most */
	PUMP_MAX = 1 << 20, /* read at a time by link_pump() */
	REPLY_MAX = 1 << 30, /* bytes that wait for the rest of a reply; a value has 512 MiB */
};

static int out_reserve(struct link *link, size_t size)
{
	if (link->out_capacity - link->out_size >= size)
		return 0;
	size_t capacity = link->out_size + size;
	if (capacity < 2 * link->out_capacity)
		capacity = 2 * link->out_capacity;
	if (capacity < OUT_LEAST)
		capacity = OUT_LEAST;
	char *out = realloc(link->out, capacity);
	if (!out)
		return -ENOMEM;
	link->out = out;
	link->out_capacity = capacity;
	return 0;
}

static void out_put(struct link *link, const char *data, size_t size)
{
	memcpy(link->out + link->out_size, data, size);
	link->out_size += size;
}

static void out_put_length(struct link *link, char kind, size_t number)
{
	char text[32];
	int size = snprintf(text, sizeof(text), "%c%zu\r\n", kind, number);

	out_put(link, text, (size_t)size);
}

int link_add(struct link *link, const struct redis_args *args)
{
	size_t size = 32;

	if (args->failed)
		return -ENOMEM;
	for (size_t i = 0; i < args->count; i++)
		size += args->sizes[i] + 32;
	int rc = out_reserve(link, size);
	if (rc < 0)
		return rc;
	out_put_length(link, '*', args->count);
	for (size_t i = 0; i < args->count; i++) {
		out_put_length(link, '$', args->sizes[i]);
		out_put(link, args->words[i], args->sizes[i]);
		out_put(link, "\r\n", 2);
	}
	return 0;
}

/* What was sent may have had a password in it, or a lot of text. */
static void out_clear(struct link *link)
{
	explicit_bzero(link->out, link->out_size < OUT_LEAST ? link->out_size : OUT_LEAST);
	link->out_size = link->out_sent = 0;
	if (link->out_capacity > OUT_KEPT) {
		free(link->out);
		link->out = NULL;
		link->out_capacity = 0;
	}
}

static ssize_t link_send(struct link *link, const char *data, size_t size)
{
	if (link->tls)
		return tls_write(link->tls, data, size);
	ssize_t sent = send(link->fd, data, size, MSG_NOSIGNAL);
	return sent < 0 ? -errno : sent;
}

static ssize_t link_recv(struct link *link, char *data, size_t size)
{
	if (link->tls)
		return tls_read(link->tls, data, size);
	ssize_t got = recv(link->fd, data, size, 0);
	return got < 0 ? -errno : got;
}

/* > 0: something was sent; 0: not now. What fails is remembered: an answer may have come before. */
static int drain(struct link *link)
{
	if (link->send_error || link->out_sent == link->out_size)
		return 0;
	ssize_t sent = link_send(link, link->out + link->out_sent, link->out_size - link->out_sent);
	if (sent == -EAGAIN || sent == -EINTR)
		return 0;
	if (sent < 0) {
		link->send_error = (int)sent;
		return 0;
	}
	link->out_sent += (size_t)sent;
	if (link->out_sent == link->out_size)
		out_clear(link);
	return 1;
}

/* > 0: something has come; 0: nothing for now; or -errno. */
static int fill(struct link *link)
{
	char chunk[CHUNK];
	ssize_t got = link_recv(link, chunk, sizeof(chunk));

	link->more = false;
	if (got == -EAGAIN || got == -EINTR)
		return 0;
	if (got <= 0)
		return got < 0 ? (int)got : link->send_error ? link->send_error : -ECONNRESET;
	link->more = link->tls || got == sizeof(chunk);
	link->heard_ms = wait_now_ms();
	if (redisReaderFeed(link->reader, chunk, (size_t)got) != REDIS_OK)
		return -ENOMEM;
	return link->reader->len - link->reader->pos > REPLY_MAX ? -EPROTO : 1;
}

int link_reply(struct link *link, redisReply **ret)
{
	void *reply = NULL;

	if (redisReaderGetReply(link->reader, &reply) != REDIS_OK)
		return link->reader->err == REDIS_ERR_OOM && !link->absurd ? -ENOMEM : -EPROTO;
	if (reply)
		link->elements = 0;
	*ret = reply;
	return 0;
}

int link_pump(struct link *link)
{
	int rc;

	drain(link);
	do {
		rc = fill(link);
	} while (rc > 0 && link->more && link->reader->len - link->reader->pos < PUMP_MAX);
	return rc < 0 ? rc : 0;
}

struct pollfd link_poll(const struct link *link)
{
	struct pollfd fd = {.fd = link->fd, .events = POLLIN};

	if (link->out_sent < link->out_size && !link->send_error)
		fd.events |= POLLOUT;
	if (link->tls)
		fd.events |= tls_events(link->tls);
	return fd;
}

/* Waits until something can be sent or read. 0, or -errno: ETIMEDOUT. */
static int await(struct link *link, int64_t deadline_ms)
{
	struct pollfd fd = link_poll(link);
	int rc = wait_poll(link->waiter, &fd, 1, deadline_ms);
	if (rc < 0)
		return rc;
	link->more |= rc > 0 && (fd.revents & ~POLLOUT);
	return rc == 0 ? -ETIMEDOUT : 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int link_receive(struct link *link, int64_t deadline_ms, int silence_ms, redisReply **ret)
{
	int64_t silence = silence_ms ? wait_now_ms() + silence_ms : INT64_MAX;
	redisReply *reply = NULL;

	for (;;) {
		int moved = drain(link);
		if (link->more) {
			int rc = fill(link);
			if (rc < 0)
				return rc;
			moved += rc;
		}
		int rc = link_reply(link, &reply);
		if (rc < 0)
			return rc;
		if (reply)
			break;
		if (moved && silence_ms)
			silence = wait_now_ms() + silence_ms;
		/* Asked even while bytes keep dripping in. */
		if (wait_left_ms(deadline_ms) == 0)
			return -ETIMEDOUT;
		if (!link->more)
			rc = await(link, earlier(deadline_ms, silence));
		if (rc < 0)
			return rc;
	}
	*ret = reply;
	return 0;
}

/* hiredis' array, unless it could never be an answer to us. */
#if HIREDIS_MAJOR >= 1
typedef size_t elements_t;
#else
typedef int elements_t;
#endif

/* hiredis from 1.0 on takes any depth, and frees it by calling itself. */
static bool is_too_deep(const redisReadTask *task)
{
	unsigned depth = 0;

	for (; task && depth <= DEPTH_MAX; task = task->parent)
		depth++;
	return depth > DEPTH_MAX;
}

static void *array_create(const redisReadTask *task, elements_t count)
{
	struct link *link = task->privdata;

	if (is_too_deep(task) || (size_t)count > ELEMENTS_MAX - link->elements) {
		link->absurd = true;
		return NULL;
	}
	link->elements += (size_t)count;
	return link->plain->createArray(task, count);
}

int link_reader_make(struct link *link)
{
	link->reader = redisReaderCreate();
	if (!link->reader)
		return -ENOMEM;
	link->plain = link->reader->fn;
	link->functions = *link->plain;
	link->functions.createArray = array_create;
	link->reader->fn = &link->functions;
	link->reader->privdata = link;
	return 0;
}

void link_close(struct link *link)
{
	if (!link)
		return;
	if (link->out)
		out_clear(link);
	free(link->out);
	tls_close(link->tls);
	if (link->fd >= 0)
		close(link->fd);
	if (link->reader)
		redisReaderFree(link->reader);
	free(link);
}
