/* The own layout's store in Redis: what its files share; nobody else includes it. */
#pragma once

#include "backend.h"
#include "known.h"
#include "redis/net/pool.h"
#include "redis/net/server.h"
#include "redis/net/watch.h"
#include "redis_lua.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	OWN_PAGE_MAX = 1000, /* rows of one reply: what Lua's unpack() bears, and a short script */
	OWN_LEASE_MS = 30 * 1000, /* W5: a claim outlives its mount by so much at the most */
	OWN_UNSURE_MS = 60 * 1000,
};

/* Beyond it scripts could not count on: in a row it is damage. */
#define OWN_REVISION_MAX (UINT64_C(1) << 52)

struct own_claim {
	struct own_claim *prev, *next;
	uint64_t gen;
	char name[STORE_NAME_MAX + 1];
};

struct own_store {
	struct store store;
	struct store_options options; /* its strings are not used after opening */
	struct redis_url url;
	struct redis_pool *pool;
	struct redis_watch *watch; /* NULL: nobody wants to be told */
	struct clock *clock; /* NULL: the server's */
	char *prefix, *tokens_key, *channel;
	const char *prefixes[3]; /* of the keys it is told of; NULL-terminated */
	char writer[33]; /* this handle, in what it publishes and claims */
	char storage[512]; /* what and where, without a password */

	struct known known; /* known.h: locks itself */
	/* The server was away and was not looked at since: what it lacks may be lost. */
	atomic_bool unsettled;
	struct { /* only the watch's thread uses it: notice.c */
		struct own_told {
			uint64_t gen;
			bool seen[2]; /* its keys, in this batch of invalidations */
		} told[256];
		size_t count;
		bool in_keys;
	} heard;

	pthread_mutex_t lock; /* all below */
	struct own_claim *claims;
	struct redis_server server;
	struct redis_facts facts;
	int64_t server_read_ms, claims_renewed_ms, loss_checked_ms; /* by clock_steady() */
	char epoch[33];
	uint64_t revision_seen, number_seen; /* the highest: a store below it went back in time */
	char went_back[256]; /* "" or the sentence */
	char *memo; /* where this machine remembers epoch and numbers; NULL: nowhere. memo.c */
	uint64_t memo_revision; /* as written there last */
	uint64_t lost; /* threads, since the start */
	bool unsought; /* the store was flushed, and what is lost could not be looked for yet */
	int last_error; /* of the last write, -errno; 0: it was done */
	int64_t unsure_until_ms; /* by clock_steady(): our own changes may be news to us, see call.c
				  */
};

/* open.c */
int64_t own_now_ms(struct store *store);

/* row.c: rows as docs/redis-schema.md has them. Both -EIO if they are not. */
struct own_row {
	struct thread_info info;
	int64_t erase_ms; /* when the server erases its keys; STORE_DEADLINE_NEVER */
	int64_t doc_size; /* -1: it has no document */
};
int own_row_parse(const char *text, size_t size, uint64_t gen, struct own_row *ret);
int own_file_parse(
	const char *name, size_t name_size, const char *text, size_t size, struct file_info *ret);
int own_number_parse(const redisReply *reply, uint64_t *ret); /* an integer, or its digits */
/* reply->element[at] is a string; else NULL. */
const redisReply *own_string_at(const redisReply *reply, size_t at);

/* call.c: scripts of the own layout, their first arguments, what their answers mean. */
struct own_call {
	struct redis_args args;
	redisReply *reply;
};
void own_call_done(struct own_call *call);
#define CLEAN_CALL __attribute__((cleanup(own_call_done)))
/* Arguments of a script that changes a thread, up to those of its own. */
void own_write_begin(struct own_store *s, struct own_call *call, uint64_t gen, int64_t grace_ms,
	unsigned flags, int64_t time_ns);
int own_write(struct own_store *s, const struct redis_script *script, struct own_call *call,
	bool durable, const char *about);
/* Whether a change of ours, whose outcome we never heard, may still happen. */
bool own_is_unsure(struct own_store *s);
void own_read_begin(struct own_store *s, struct own_call *call);
int own_read(struct own_store *s, const struct redis_script *script, struct own_call *call,
	const char *about);
/* What a reading script says instead of data: 0, -ENOENT ('gone', {}), -EIO ('lost'). */
int own_said(struct own_store *s, const redisReply *reply, struct thread_ref ref);
/* A thread's row at `at` of a reply, remembered as known. 0 or -EIO. */
int own_take_row(struct own_store *s, const redisReply *reply, size_t at, uint64_t gen,
	struct thread_info *ret);

/* notice.c: callbacks of the watch. */
void own_on_key(void *arg, const char *key, size_t size);
void own_on_message(void *arg, const char *data, size_t size);
void own_on_quiet(void *arg);
void own_on_state(void *arg, bool up);
void own_on_tick(void *arg);
void own_notice(struct own_store *s, const struct store_notice *notice);

/* memo.c: what a store that is mounted again is held against. The lock is held for none. */
void memo_open(struct own_store *s);
bool memo_read(struct own_store *s, char epoch[33], uint64_t *ret_revision, uint64_t *ret_number);
void memo_keep(struct own_store *s); /* if something is new */

/* loss.c */
int own_epoch_begin(struct own_store *s, struct errtext *error);
void own_loss_check(struct own_store *s); /* whether the store forgot or went back; tells of it */
/* What of a thread that is not there: -EIO, it is lost; -ENOENT. gen 0: only its name is known. */
int own_absent(struct own_store *s, struct thread_ref ref);
void own_loss_look(struct own_store *s, uint64_t gen); /* whether this thread's data is gone */
void own_lost(struct own_store *s, const struct thread_info *info);

/* Slots of struct store_ops. thread.c */
int own_thread_find(struct store *store, const char *id, struct thread_info *ret);
int own_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret);
int own_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret);
int own_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret);
int own_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret);
int own_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged);
/* list.c */
int own_thread_list(struct store *store, enum thread_state state, uint64_t after_gen, size_t limit,
	struct thread_page *ret);
/* read.c */
int own_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision);
int own_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret);
int own_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret);
int own_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret);
int own_file_read(struct store *store, struct thread_ref ref, const char *name, struct blob **ret,
	struct file_info *ret_info);
/* apply.c */
int own_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret);
int own_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to);
int own_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first);
/* claim.c */
int own_claim(struct store *store, struct thread_ref ref, const char *name);
void own_unclaim(struct store *store, struct thread_ref ref, const char *name);
void own_claims_renew(struct own_store *s);
void own_claims_drop(struct own_store *s); /* at closing: gives all back */
/* ledger.c */
int own_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count);
int own_ledger_list(struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret);
int own_root_get(struct store *store, struct root_info *ret);
int own_root_set(struct store *store, const struct root_info *info);
int own_reserve(struct store *store, uint32_t count, uint64_t *ret_first);
/* status.c */
int own_sync(struct store *store);
int own_usage(struct store *store, struct store_usage *ret);
int own_health(struct store *store, bool probe, struct store_health *ret);
int own_check(struct store *store, bool (*progress)(void *arg, uint64_t done, uint64_t total),
	void *arg, uint64_t *ret_damaged, struct errtext *ret_text);
void own_server_look(struct own_store *s); /* reads the server's facts anew, logs what changed */
