/* What the files of this folder share: the pool with its slots, and calls on it. */
#pragma once

#include "errors.h"
#include "link.h"
#include "pool.h"

enum {
	CONNECTIONS_MAX = 16,
	SCRIPTS_MAX = 64,
	TROUBLES_MAX = 64,
	ABOUT_MAX = 280, /* "thread NAME: " */
	SHA_MAX = 41, /* of a script, in hex, with its NUL */
};

/* A place for a connection, and for the tokens of the writes that are made on it. */
struct slot {
	struct slot *next; /* under lock: in the pool's idle or empty */
	struct link *link; /* or NULL; whoever has taken the slot has it too */
	unsigned number; /* its field in the tokens hash */
	uint64_t sequence; /* of its last write; goes on when it is connected anew */
};

struct script_known {
	const struct redis_script *script;
	char sha[SHA_MAX]; /* "": not loaded, or forgotten by the server */
};

/* What was logged, so that it is not logged again at once. */
struct trouble {
	uint64_t what; /* a hash of the kind and the thread */
	int64_t logged_ms;
};

struct redis_pool {
	const struct redis_url *url;
	int timeout_ms;
	unsigned replicas, connections;
	char *tokens_key;
	struct waiter waiter; /* its descriptor becomes readable at shutdown */
	struct resolver resolver;
	struct link_target target;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a slot is free, the server is back, or it is all over */
	struct slot slots[CONNECTIONS_MAX];
	/* All under lock. */
	struct slot *idle, *empty; /* free slots with and without a connection */
	bool stopped;
	bool quiet; /* opening: what fails is said by the one who opens */
	int away; /* -errno of why the server cannot be reached, 0: it can */
	int64_t away_since_ms, retry_ms; /* not before then is it tried again */
	bool probing; /* somebody is trying */
	bool in_vain; /* a call has waited all its time for nothing, and none was answered since */
	struct redis_facts facts;
	struct server_clock clock;
	int64_t ticked_ms;
	bool has_tokens; /* something was written: they are to be kept alive */
	char written_run[RUN_MAX]; /* the run of the server that has writes no sync has covered */
	uint64_t syncs; /* a number for each */
	struct script_known scripts[SCRIPTS_MAX];
	size_t script_count;
	struct trouble troubles[TROUBLES_MAX];
};

/* One call under way. */
struct call {
	struct redis_pool *pool;
	const char *about;
	const struct redis_script *script; /* or NULL; for logs */
	int64_t full_ms; /* when its time is up */
	int64_t deadline_ms; /* then, or sooner while others wait in vain */
	bool answered, in_vain; /* what it will have shown of the server */
	int pause_ms; /* before the server is asked again */
	struct errtext refusal; /* why no connection could be had, for now */
	unsigned breaks; /* connections that broke under it */
	unsigned loads; /* how often the server did not know the script */
	char sha[SHA_MAX]; /* of the script that is being called */
};
/*
 * One system call may be two requests (the kernel looks a name up again when that failed), and more
 * of them than we have threads may come at once: whoever comes after a call that waited in vain
 * gets a tenth of the time, until the server answers somebody (F1).
 */
void call_init(struct call *call, struct redis_pool *pool, const char *about);
/* It has a connection that works: all its time after all. */
void call_connected(struct call *call);

/* SLOTS: slots.c */

void slots_init(struct redis_pool *pool);
void slots_done(struct redis_pool *pool);
/* A slot of one's own, if possible one with a connection. -ETIMEDOUT: none became free in time. */
int slot_take(struct call *call, struct slot **ret);
void slot_give(
	struct call *call, struct slot *slot); /* and tells the pool what the call has shown */
/* Its connection broke, with what link_receive() said: closed. */
void slot_break(struct call *call, struct slot *slot, int rc);
/* Closes what is idle: since `before_ms`, or all of it (INT64_MAX). */
void slots_close_idle(struct redis_pool *pool, int64_t before_ms);

/* REACH: reach.c */

/*
 * Makes sure that the slot has a connection. While the server is away it is tried again and again
 * until the deadline; once it has been away for longer than the timeout calls fail at once, unless
 * `patient`, and one a while tries again. EAGAIN: it has too many clients for now.
 */
int slot_connect(struct call *call, struct slot *slot, bool patient);
/* The same for a connection that belongs to no slot, whose waiting `waiter` may end. */
int pool_link_open(struct redis_pool *pool, const struct waiter *waiter, int64_t deadline_ms,
	struct link **ret, struct errtext *error);

/* CALLS: call.c */

/* Sends commands in one go and waits for all replies; on failure what has come is kept there. */
int slot_exchange(struct call *call, struct slot *slot, const struct redis_args *commands,
	size_t count, redisReply **replies);
/* Waits a little before the server is asked again. Whether there is time for that. */
bool call_pause(struct call *call);

/*
 * What to do after a failure: -EAGAIN if another attempt may do better, else what the caller gets,
 * logged. After slot_connect() or slot_exchange(), whose slot has lost its connection by then:
 */
int call_unconnected(struct call *call, int rc);
int call_broken(struct call *call, int rc);
/* After an error of the server's, when nothing was done. */
int call_refused(struct call *call, const struct reply_error *error);

/* Logs an error of the server's, unless it is our own answer. Returns what the caller gets. */
int call_failed(struct call *call, const struct reply_error *error);

/* What a log line about this call begins with: "thread X: " or "". */
void call_about(const struct call *call, char text[ABOUT_MAX]);

/* LASTING: replicas.c, sync.c, tick.c */

/* WAIT for the replicas that are asked for, within what is left of the call's time. */
void replicas_command(const struct call *call, struct redis_args *ret);
/*
 * Whether what was written is on so many replicas; `reply`: what WAIT said, NULL if the connection
 * on which it was asked broke: then it is asked again. 0 or -EIO.
 */
int replicas_check(struct call *call, struct slot *slot, const redisReply *reply);
/* Notes which run of the server has taken a write. */
void written_note(struct redis_pool *pool, const struct slot *slot);
/* Sees to it that the tokens do not outlive the mount for long. */
void tokens_keep(struct call *call, struct slot *slot);

/* SCRIPTS: script.c */

/*
 * EVALSHA with KEYS and ARGV; of scripts that write, with the slot's token before them. It borrows
 * from `args` and `call`. -errno as slot_exchange() if that broke the connection, else what the
 * server refused the script with: -EAGAIN if another attempt may do better.
 */
int script_command(struct call *call, struct slot *slot, const struct redis_script *script,
	size_t keys, const struct redis_args *args, struct redis_args *ret);
void script_forget(struct redis_pool *pool, const struct redis_script *script);

/* LOG: trouble.c */

/* Whether this has not been logged within a minute. */
bool trouble_is_new(struct redis_pool *pool, const char *kind, const char *about);

/* INFO: info.c */

/* What stands behind "name:" in INFO's text, to the end of the text; NULL: it is not there. */
const char *info_find(const char *info, const char *name);

/* OPENING: link.c and greet.c, for connect.c */

int link_reader_make(struct link *link);
/* AUTH, SELECT, INFO and TIME; as link_open(). */
int link_greet(
	struct link *link, const struct redis_url *url, int64_t deadline_ms, struct errtext *error);
