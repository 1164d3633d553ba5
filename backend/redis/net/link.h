/*
 * One connection to the server: opened, greeted, written to and read from, each within a deadline
 * of its own; a false or broken server cannot make it hang or eat all memory (S3).
 */
#pragma once

#include "pool.h"
#include "resolve.h"
#include "server_clock.h"
#include "tls.h"

enum { RUN_MAX = 48 }; /* of a run's id, 40 digits in hex, with its NUL */

struct link {
	const struct waiter *waiter;
	int fd;
	struct tls *tls; /* or NULL */
	redisReader *reader;
	redisReplyObjectFunctions functions; /* hiredis' own, but for the bound on arrays */
	redisReplyObjectFunctions *plain; /* hiredis' own */
	size_t elements; /* in arrays of the reply that is being read */
	bool absurd; /* it had more of them than we take */
	bool more; /* there may be more to read at once */
	char *out; /* what is still to be sent: out[sent..size) */
	size_t out_size, out_sent, out_capacity;
	int send_error; /* nothing can be sent any more; what has come is still to be read */

	bool tokens_kept; /* see tick.c */
	bool fresh; /* greeted, and not used since */
	int64_t used_ms; /* when it was given back last */
	int64_t heard_ms; /* when something came last */
	char run_id[RUN_MAX]; /* which run of the server it is; "" if unknown */
	struct redis_facts facts;
	struct server_clock clock; /* as this connection measured it last */
};

/* Where to, and what is needed on the way. All borrowed for as long as the link lives. */
struct link_target {
	const struct redis_url *url;
	struct resolver *resolver;
	const struct waiter *waiter;
};

/*
 * Connects, does AUTH and SELECT, asks who it is. 0 or -errno with a sentence: EACCES (password,
 * ACL, certificate), EINVAL (no such database, no TLS), EAGAIN (too many clients for now),
 * ETIMEDOUT, EMFILE, ENOMEM, or a socket's own (ECONNREFUSED, …), EPROTO (that is no Redis).
 */
int link_open(const struct link_target *target, int64_t deadline_ms, struct link **ret,
	struct errtext *error);
void link_close(struct link *link); /* takes NULL */

/* Puts a command behind those that are still to be sent. 0 or -ENOMEM. */
int link_add(struct link *link, const struct redis_args *args);

/*
 * Sends what is to be sent and waits for one reply. 0 or -errno: ETIMEDOUT (also when nothing moved
 * for silence_ms, unless that is 0), EPROTO (garbage, or more than we take), ENOMEM, or the
 * socket's; after any of them the link is good for nothing but link_close(). For freeReplyObject().
 */
int link_receive(struct link *link, int64_t deadline_ms, int silence_ms, redisReply **ret);

/*
 * For who waits for several: what to poll for; then pump, which sends and reads what can be without
 * waiting; then the replies that have come whole, until *ret is NULL. 0 or -errno as above; what
 * had come before a failure can still be asked for.
 */
struct pollfd link_poll(const struct link *link);
int link_pump(struct link *link);
int link_reply(struct link *link, redisReply **ret);

/* Whether a reply is an error, text and all. */
static inline bool reply_is_error(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR;
}
