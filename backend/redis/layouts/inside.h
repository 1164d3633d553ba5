/* What the files of the layouts' store share; nobody else includes it. */
#pragma once

#include "backend.h"
#include "image.h"
#include "redis/net/pool.h"
#include "redis/net/server.h"
#include "redis/net/watch.h"
#include "redis_lua.h"

#include <pthread.h>

/* A thread that cannot be put into a table says so instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->unhashed = true)
#include <uthash.h>

/* What the mount was told of a thread last; it keeps names, attributes and pages by that. */
struct entry_told {
	bool there, listed;
	uint64_t digest; /* 0: nothing of it was read */
	uint64_t chain; /* the image's of that digest, with what pushes of ours have added since */
	int64_t deadline_ms;
	uint32_t count;
	char rev[24]; /* of its side key; "" none */
};

enum { OWN_REVS = 16 };

/* What is known of one key that is, or was, a thread. */
struct entry {
	struct entry_told mount;
	struct place *place;
	uint64_t told; /* counts what was told of it, to see whether a read was overtaken */
	uint64_t revision; /* of the thread, as it was handed out last */
	int64_t deadline_ms; /* STORE_DEADLINE_NEVER */
	int64_t left_ms; /* the most that it had left since a tool wrote it, to the second; 0 */
	int64_t gone_ms; /* since when it is gone, by the store's clock; 0: it is there */
	unsigned writing; /* steps of ours under way */
	int64_t wrote_ms; /* when a step of ours changed it, until what was told of that is heard */
	int64_t seen_ns; /* when what the tool keeps was seen to change; 0: it was not */
	uint32_t count; /* turns, as far as it is known */
	uint32_t ours, lost; /* turns of ours that are remembered; that were overwritten */
	bool fresh; /* `image` is how it is now, as far as has been told */
	bool forgotten; /* the server was started anew, and does not have it since */
	bool lost_data; /* it went before its deadline, and the server dropped it (R5) */
	bool side_stale; /* its side key does not live as long as it does */
	bool broken; /* it was read, and is no thread of this tool's; that was said */
	bool loaded; /* `digest` and `info` are those of its last image */
	bool listed; /* shown in listings: its name or a look at it says that it is a thread */
	bool blind; /* a step of ours added to it without knowing what it had */
	int64_t unsure_ms; /* when it looked as pushes of ours make it: that is to be verified; 0 */
	bool queued; /* in the worker's queue */
	uint64_t swept; /* the last pass over the keys that found it */
	bool unhashed; /* set when adding it to a table failed */
	uint64_t digest, content, chain; /* its last image's */
	char rev[24]; /* of its side key, as far as it is known */
	uint64_t own_revs[OWN_REVS]; /* those that pushes of ours gave it last; a ring */
	unsigned pushes; /* of ours, for the ring */
	unsigned put_off; /* looks at it that pushes of ours have overtaken, in a row */
	struct thread_info *info; /* as of the last image; NULL: never read */
	struct image *image; /* or NULL */
	struct entry *older, *newer; /* of those with an image, by use */
	struct entry *queue_next;
	UT_hash_handle by_key, by_gen;
};

struct layout_claim {
	struct layout_claim *prev, *next;
	uint64_t gen;
	char name[STORE_NAME_MAX + 1];
};

struct layout_store {
	struct store store;
	const struct layout *layout;
	struct redis_url url;
	struct redis_pool *pool;
	struct redis_watch *watch;
	char *match; /* pattern of the threads' keys */
	char *side; /* "PREFIXside:": what all keys of ours begin with */
	char *watched[3]; /* prefixes, NULL-terminated */
	char *tokens_key;
	bool read_only, named; /* named: match= was given */
	uint32_t max_turns, uid, gid;
	bool allow_eviction;
	struct clock *clock; /* NULL: the server's */
	char storage[512]; /* what and where, without a password */
	unsigned replicas;
	int timeout_ms;
	uint64_t token; /* of this handle, in claims */
	void (*on_notice)(void *arg, const struct store_notice *notice);
	void *arg;

	pthread_mutex_t mutex; /* all that follows, and all entries, are under it */
	struct entry *by_key, *by_gen;
	struct entry **sorted; /* by gen; NULL: to be made anew */
	size_t sorted_count;
	uint64_t last_revision;
	int64_t longest_ms; /* the most that a thread had left to live by its tool, to the second */
	bool up; /* what others change is told */
	uint64_t sweeps; /* counts passes over the keys */
	struct entry *oldest, *newest; /* images by use */
	size_t images_bytes;
	uint64_t not_ours; /* lists that are not of this tool's, in a layout of bare keys */
	uint64_t broken; /* threads that cannot be read */
	struct layout_claim *claims;
	struct redis_server server;
	struct redis_facts facts;
	int last_error; /* of the last write, -errno; 0: it was done */
	int64_t server_read_ms, tidied_ms, claims_ms; /* by clock_steady() */

	struct entry *queue, **queue_end;
	bool sweep_wanted, sweep_failed, stopping;
	int64_t drops_until_ms; /* what goes until then was dropped by the server itself */
	int64_t asked_ms; /* when the server was asked how it is, by clock_steady() */
	bool started_anew; /* since the last pass over the keys: what that does not find is lost */
	pthread_cond_t work; /* there is something in the queue */
	pthread_t worker;
	bool queueing, worker_started;
	uint64_t ups; /* counts changes of `up` */
};

static inline struct layout_store *layout_store_of(struct store *store)
{
	return (struct layout_store *)store;
}

/* What lua/layout_deadline.lua says, an integer. */
static inline int64_t deadline_of_reply(const redisReply *reply)
{
	bool never = reply->integer < 0 || reply->integer > DEADLINE_MAX_MS;
	return never ? STORE_DEADLINE_NEVER : reply->integer;
}

/* Renewals of the same thread come within this of one another by no one's will. */
enum { DEADLINE_SLACK_MS = 20 };

static inline bool deadline_moved(int64_t from_ms, int64_t to_ms)
{
	int64_t moved = to_ms - from_ms;
	return moved > DEADLINE_SLACK_MS || moved < -DEADLINE_SLACK_MS;
}

int64_t layout_now(struct layout_store *s); /* ms, by the server's clock */
struct image_rules layout_rules(struct layout_store *s, uint64_t gen); /* takes the mutex */

/* index.c: entries; under the mutex. */
struct entry *index_find_key(struct layout_store *s, const char *key, size_t size);
struct entry *index_find_gen(struct layout_store *s, uint64_t gen);
/* The entry of a thread's key, made if need be; NULL: it is none, or out of memory. */
struct entry *index_get(struct layout_store *s, const char *key, size_t size);
void index_forget(struct layout_store *s, struct entry *entry);
void index_free(struct layout_store *s);
int index_sort(struct layout_store *s);
/* That it is no thread of this tool's, or is one again, or is not there any more. */
void index_broken(struct layout_store *s, struct entry *entry, bool broken);
void index_gone(struct layout_store *s, struct entry *entry); /* its key is not there */
bool index_is_usual(struct layout_store *s, const struct entry *entry); /* layout_id_usual() */
bool index_is_live(struct layout_store *s, const struct entry *entry);
void index_mount_knows(struct entry *entry); /* all of it, as it is now */
void index_image(struct layout_store *s, struct entry *entry, struct image *image); /* or NULL */
/* `theirs`: somebody else has set it. */
void index_deadline(struct layout_store *s, struct entry *entry, int64_t deadline_ms, bool theirs);
uint64_t index_revision(struct layout_store *s);
/* The gen of a key: 60 bits of its hash, with room below it for its turns. */
uint64_t index_gen(const char *key, size_t size, unsigned salt);

/* Where a thread is, a reference; NULL: it is not known. Takes the mutex. */
struct place *layout_place(struct layout_store *s, uint64_t gen);

/* keys.c: the key of a shown id; false: no id of this layout's is shown so. *ret is malloced. */
bool keys_of_id(struct layout_store *s, const char *id, char **ret, size_t *ret_size);
bool keys_match(struct layout_store *s, const char *key, size_t size);
/* The thread's key that a side key belongs to, borrowed from it; false: it is none of ours. */
bool keys_of_side(
	struct layout_store *s, const char *side, size_t size, const char **ret, size_t *ret_size);

/* All keys that belong to one thread. */
struct keys {
	struct place *place; /* borrowed */
	char *side, *files; /* ours */
	char *session, *also; /* of a layout with a session; or NULL */
	size_t side_size, session_size, also_size, files_size;
};
int keys_init(struct layout_store *s, struct place *place, struct keys *ret);
void keys_done(struct keys *keys);
#define CLEAN_KEYS __attribute__((cleanup(keys_done)))

/*
 * fetch.c: the thread as the server has it now. `before` (may be NULL): as it was when it was read
 * last; `wrote`: what has changed since may well be our own step alone.
 */
int layout_fetch(struct layout_store *s, struct place *place, const struct image *before,
	bool wrote, struct image **ret);

/* load.c */
/*
 * The thread as it is now: from memory if nothing has been told since, else from the server. The
 * caller's reference. -ENOENT: it is gone or has expired; -EIO: what is there is no thread.
 */
int layout_image(struct layout_store *s, uint64_t gen, struct image **ret, uint64_t *ret_revision);
/* The same, but always from the server. */
int layout_reload(struct layout_store *s, uint64_t gen, struct image **ret);
/* A thread's information: its image's, or of one that is gone what was known last. */
int layout_info(struct layout_store *s, uint64_t gen, struct thread_info *ret);
/* Puts what a step of ours has made of a thread in place, if nothing else was told meanwhile. */
void layout_wrote(struct layout_store *s, uint64_t gen, uint64_t told, struct image *image,
	int64_t deadline_ms, struct thread_info *ret);

/* sweep.c: finds all threads, by SCAN. 0 or -errno. */
int layout_sweep(struct layout_store *s);
/* What a look at a key has told: deadline, elements, the first, and whether turnfs set the
 * deadline. */
struct seen {
	bool there;
	int64_t deadline_ms;
	uint32_t count;
	bool ours; /* in a layout of bare keys: its first element is one of this tool's */
	bool set_here; /* turnfs has set the deadline: it does not say what the tool sets */
};
bool seen_read(struct layout_store *s, const redisReply *reply, size_t at, struct seen *ret);
/* False: the key is not this tool's, the entry is forgotten. */
bool layout_seen(struct layout_store *s, struct entry *entry, const struct seen *seen);
/* look.c: the same for some keys that something was told of, with what to tell the mount. */
void layout_look(struct layout_store *s, struct place *const *places, size_t count);

/* worker.c: what was told is looked at by one thread of ours. */
void worker_prepare(struct layout_store *s); /* what is told from now on waits for the worker */
int worker_start(struct layout_store *s);
void worker_mount_knows(struct layout_store *s); /* of all that is not queued; under the mutex */
void worker_stop(struct layout_store *s);
void worker_add(struct layout_store *s, struct entry *entry); /* under the mutex */
void worker_on_key(void *arg, const char *key, size_t size);
void worker_on_state(void *arg, bool up);
void worker_on_tick(void *arg);
void layout_notify(struct layout_store *s, enum notice_kind kind, const struct place *place,
	const struct thread_info *info);

/* tick.c: what has to be done now and then. */
void layout_tick(struct layout_store *s);
/* What is to be known of the server, read anew. */
void layout_server_look(struct layout_store *s);
/*
 * A thread went before its deadline, which was seen at `seen_ms` of clock_steady(): who took it is
 * found out. The server: that is said. Somebody else: true, and *ret is the ledger's line.
 */
bool layout_vanished(
	struct layout_store *s, uint64_t gen, int64_t seen_ms, struct ledger_entry *ret);

/* What a write came to, for health: -errno, or 0. */
void layout_write_ended(struct layout_store *s, int r);

/* apply.c: whether what came to -EAGAIN is to be tried again; what is known is read anew then. */
bool layout_again(struct layout_store *s, uint64_t gen, int r, int attempt);

/* claim.c */
void layout_claims_renew(struct layout_store *s);
void layout_claims_drop(struct layout_store *s);

/* What is known of a thread without reading it. Under the mutex. */
void layout_known(struct layout_store *s, const struct entry *entry, struct thread_info *ret);

/* Slots of struct store_ops. threads.c */
int layout_thread_find(struct store *store, const char *id, struct thread_info *ret);
int layout_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret);
int layout_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret);
int layout_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision);
/* make.c */
int layout_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret);
int layout_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret);
int layout_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret);
/* files.c */
int layout_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret);
int layout_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret);
int layout_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret);
int layout_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info);
/* What is kept in a field of the hash beside; -EIO: it is not there. */
int layout_kept(
	struct layout_store *s, const struct place *place, const char *field, struct blob **ret);
/* The content of an attachment, as it is now. */
int layout_content(struct layout_store *s, const struct place *place, uint64_t field, uint64_t size,
	struct blob **ret);
/* apply.c, append.c, claim.c */
int layout_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret);
int layout_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to);
int layout_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first);
int layout_claim(struct store *store, struct thread_ref ref, const char *name);
void layout_unclaim(struct store *store, struct thread_ref ref, const char *name);
/* ledger.c */
int layout_reserve(struct store *store, uint32_t count, uint64_t *ret_first);
int layout_root_get(struct store *store, struct root_info *ret);
int layout_root_set(struct store *store, const struct root_info *info);
int layout_ledger_add(struct store *store, const struct ledger_entry *entries, size_t count);
int layout_ledger_list(
	struct store *store, uint64_t after_seq, size_t limit, struct ledger_page *ret);
/* lost.c */
int layout_lost_next(struct store *store, uint64_t after_gen, struct lost_page *ret);
/* status.c */
int layout_sync(struct store *store);
int layout_usage(struct store *store, struct store_usage *ret);
int layout_health(struct store *store, bool probe, struct store_health *ret);
int layout_check(struct store *store, bool (*progress)(void *arg, uint64_t done, uint64_t total),
	void *arg, uint64_t *ret_damaged, struct errtext *ret_text);
int layout_purge(struct store *store, int64_t grace_ms, size_t limit, size_t *ret_purged);
