/* What the files of the in-memory store share; nobody else includes it. */
#pragma once

#include "backend.h"

#include <pthread.h>

/* A thread that cannot be put into a table says so instead of ending the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(thread) ((thread)->unhashed = true)
#include <uthash.h>

/* A file as it was at some commit. Never changed: a change makes another one. */
struct memory_file {
	unsigned refs; /* under the store's mutex */
	struct file_info info;
	struct blob *content; /* NULL: empty */
};

/* The files of a thread in order of name. */
struct memory_listing {
	struct memory_file **items;
	size_t count, capacity;
	uint32_t turns;
	uint64_t bytes;
};

struct memory_thread {
	struct thread_info info; /* turns, files and bytes are those of `files` */
	struct blob *doc;
	struct memory_listing files;
	bool erasing; /* being purged: nobody sees it any more */
	bool named; /* in by_id: of the lives of its id it is the one that may be live */
	bool unhashed; /* set when adding it to a table failed */
	UT_hash_handle by_gen, by_id;
};

struct memory_store {
	struct store store;
	bool read_only;
	struct clock *clock;

	pthread_mutex_t mutex; /* all that follows, and all threads, are under it */
	uint64_t last_number, last_revision, last_seq;
	int64_t last_commit_ms;
	struct root_info root;
	struct memory_thread *by_gen, *by_id;
	struct ledger_entry *ledger; /* a ring of LEDGER_MAX; seq s is at s % LEDGER_MAX */
};

enum { LEDGER_MAX = 10000 };

/* memory_listing.c. Those that make room return 0 or -ENOMEM. */
void memory_file_unref(struct memory_file *file); /* takes NULL */
struct memory_file *listing_find(const struct memory_listing *listing, const char *name);
/* The one turn of that number that is not `except` (may be NULL). */
struct memory_file *listing_find_turn(
	const struct memory_listing *listing, uint32_t number, const struct memory_file *except);
size_t listing_after(const struct memory_listing *listing, const char *name);
int listing_make_room(struct memory_listing *listing, size_t more);
int listing_copy(const struct memory_listing *from, struct memory_listing *ret);
/* Takes the reference over, replaces what has the name; there must be room for one more. */
void listing_put(struct memory_listing *listing, struct memory_file *file);
void listing_remove(struct memory_listing *listing, const char *name); /* if it is there */
void listing_done(struct memory_listing *listing);

/* memory.c */
int64_t memory_now(const struct memory_store *m); /* ms, by the store's clock */
int memory_write_begin(struct memory_store *m); /* locks; or -EROFS without */
void memory_write_end(struct memory_store *m); /* unlocks */
/* Under the mutex, as part of a step: a line of the ledger; the two of a thread that came back. */
void memory_ledger_say(struct memory_store *m, enum ledger_cause cause,
	const struct thread_info *info, const char *id, const char *detail);
void memory_ledger_back(
	struct memory_store *m, const struct thread_info *was, const struct thread_info *now);

/* memory_thread.c; under the mutex. */
struct memory_thread *memory_thread_get(struct memory_store *m, uint64_t gen); /* NULL: gone */
struct memory_thread *memory_thread_live(struct memory_store *m, const char *id);
bool memory_thread_is_live(struct memory_store *m, const struct memory_thread *thread);
int memory_thread_take_name(struct memory_store *m, struct memory_thread *thread);
void memory_thread_erase(struct memory_store *m, struct memory_thread *thread);

/* Slots of struct store_ops; memory_thread.c */
int memory_thread_find(struct store *store, const char *id, struct thread_info *ret);
int memory_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret);
int memory_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret);
int memory_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret);
int memory_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret);
int memory_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret);
int memory_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision);

/* memory_file.c: reading files; memory_apply.c: changing them. */
int memory_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret);
int memory_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret);
int memory_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret);
int memory_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info);
int memory_claim(struct store *store, struct thread_ref ref, const char *name);
void memory_unclaim(struct store *store, struct thread_ref ref, const char *name);
int memory_apply(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct change *changes, size_t count, unsigned flags, struct thread_info *ret);
int memory_move(struct store *store, struct thread_ref from, struct thread_ref to,
	struct change *change, const struct thread_change *from_thread,
	const struct thread_change *to_thread, unsigned flags, struct thread_info *ret_from,
	struct thread_info *ret_to);
int memory_append(struct store *store, struct thread_ref ref, const struct thread_change *thread,
	struct turn_new *turns, size_t count, unsigned flags, struct thread_info *ret,
	uint32_t *ret_first);
