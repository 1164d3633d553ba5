/* What the contract suite's files share: a store under test with a clock moved by hand, and
 * helpers. */
#pragma once

#include "backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#define HOUR_MS INT64_C(3600000)
#define MS_NS INT64_C(1000000)

enum { GRACE_H = 24 };

struct backend_kind {
	const char *name;
	const char *where; /* %s: a directory of the test's own */
	bool persistent; /* what is in it survives a close */
	bool file; /* a file of this machine, for one handle at a time */
	const char *server; /* the program that keeps it; it erases expired threads by itself */
};

/* One test's store. */
struct fixture {
	struct store *store;
	struct clock_manual clock;
	char dir[256];
	char where[512];
	char prefix[32]; /* of a server's keys: a store of the test's own */
};

extern const struct backend_kind *contract_backend;

int contract_setup(void **state);
int contract_teardown(void **state);
void contract_open_fixture(struct fixture *f); /* its store, which is closed */
int contract_open(struct fixture *f, const struct store_options *options, struct store **ret,
	struct errtext *error);
/* First in a test (they leave without ending locals): skip it on a store that keeps nothing, that
 * is no file, that erases by the server's own clock. */
void needs_persistence(struct fixture *f);
void needs_file(struct fixture *f);
void needs_purging(struct fixture *f);
void needs_server(struct fixture *f); /* skips it on a store that one handle has alone */
void contract_reopen(struct fixture *f); /* closes and opens again */

#define CONTRACT_TEST(name) cmocka_unit_test_setup_teardown(name, contract_setup, contract_teardown)

/* One group a file; each returns how many tests failed. */
int contract_threads(void);
int contract_files(void);
int contract_renames(void);
int contract_appends(void);
int contract_time(void);
int contract_purge(void);
int contract_ledger(void);
int contract_store(void);
int contract_restart(void);
int contract_concurrent(void);
int contract_shared(void);

/* The rest asserts that all goes well, unless it returns int. */
void advance_ms(struct fixture *f, int64_t ms);
int64_t now_ns(struct fixture *f);
uint64_t reserve(struct fixture *f);

static inline struct thread_ref ref_of(const struct thread_info *info)
{
	return (struct thread_ref){.id = info->id, .gen = info->gen};
}

int try_thread(struct fixture *f, const char *id, int64_t ttl_ms, struct thread_info *ret);
struct thread_info make_thread(struct fixture *f, const char *id);
/* All fields alike; not memcmp(), which also sees what lies between them. */
void assert_same_root(const struct root_info *a, const struct root_info *b);
void assert_same_thread(const struct thread_info *a, const struct thread_info *b);
struct thread_info stat_thread(struct fixture *f, const struct thread_info *thread);

/* A PUT of text, with all attributes of a new file; updates *thread. */
int try_put(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect,
	const char *text, unsigned flags, uint64_t *ret_revision);
uint64_t put(struct fixture *f, struct thread_info *thread, const char *name, const char *text);
int try_rename(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect,
	const char *to, uint64_t to_expect);
int try_remove(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect);
int try_append(struct fixture *f, const struct thread_info *thread, const char *role,
	const char *text, unsigned flags, uint32_t *ret_number);

struct file_info stat_file(struct fixture *f, const struct thread_info *thread, const char *name);
bool has_file(struct fixture *f, const struct thread_info *thread, const char *name);
void assert_content(
	struct fixture *f, const struct thread_info *thread, const char *name, const char *text);
/* The names in the thread, in order, with a space behind each; pages of `limit`. */
void assert_names(
	struct fixture *f, const struct thread_info *thread, size_t limit, const char *names);
/* The ids of that state, in order of gen, with a space behind each; pages of `limit`. */
void assert_threads(struct fixture *f, enum thread_state state, size_t limit, const char *ids);
/* Purges until nothing is left; how much it was. */
size_t purge_all(struct fixture *f, int64_t grace_ms);
