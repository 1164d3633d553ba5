/* The contract of a store that several handles have at once: what each is told, claimed and lost.
 */
#include "contract.h"

#include "server.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HEARD_MAX = 64, WAIT_MS = 5000 };

/* A second handle of a test's store, and what it was told. */
struct other {
	struct store *store;
	pthread_mutex_t lock;
	size_t count;
	struct heard {
		enum notice_kind kind;
		uint64_t gen;
		char id[64], name[64]; /* "": none */
	} heard[HEARD_MAX];
};

static void on_notice(void *arg, const struct store_notice *notice)
{
	struct other *other = arg;
	pthread_mutex_lock(&other->lock);
	if (other->count < HEARD_MAX) {
		struct heard *heard = &other->heard[other->count++];
		heard->kind = notice->kind;
		heard->gen = notice->gen;
		snprintf(heard->id, sizeof(heard->id), "%s", notice->id ? notice->id : "");
		snprintf(heard->name, sizeof(heard->name), "%s", notice->name ? notice->name : "");
	}
	pthread_mutex_unlock(&other->lock);
}

static struct other *other_open(struct fixture *f)
{
	struct other *other = calloc(1, sizeof(*other));
	struct errtext error = {0};
	assert_non_null(other);
	pthread_mutex_init(&other->lock, NULL);
	struct store_options options = {
		.create = true,
		.timeout_ms = 2000,
		.grace_ms = GRACE_H * HOUR_MS,
		.clock = &f->clock.clock,
		.server.prefix = f->prefix,
		.on_notice = on_notice,
		.arg = other,
	};
	if (contract_open(f, &options, &other->store, &error) < 0)
		fail_msg("%s: %s", f->where, error.text);
	return other;
}

static void other_close(struct other *other)
{
	store_close(other->store);
	pthread_mutex_destroy(&other->lock);
	free(other);
}

static bool heard(struct other *other, enum notice_kind kind, uint64_t gen, const char *name)
{
	bool found = false;
	pthread_mutex_lock(&other->lock);
	for (size_t i = 0; i < other->count; i++)
		found = found || (other->heard[i].kind == kind && other->heard[i].gen == gen &&
					 !strcmp(other->heard[i].name, name));
	pthread_mutex_unlock(&other->lock);
	return found;
}

static void moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void assert_hears(struct other *other, enum notice_kind kind, uint64_t gen, const char *name)
{
	for (int i = 0; i < WAIT_MS / 2; i++) {
		if (heard(other, kind, gen, name))
			return;
		moment();
	}
	fail_msg("no notice of kind %d for %llu %s", (int)kind, (unsigned long long)gen, name);
}

static void forget(struct other *other)
{
	pthread_mutex_lock(&other->lock);
	other->count = 0;
	pthread_mutex_unlock(&other->lock);
}

static void test_F6__what_one_handle_changes__the_other_is_told(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	uint32_t number;
	assert_hears(other, NOTICE_THREAD, thread.gen, "");
	put(f, &thread, "notes", "text");
	assert_hears(other, NOTICE_FILE, thread.gen, "notes");
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_RENEW, &number), 0);
	assert_hears(other, NOTICE_FILE, thread.gen, "000001-user.md");
	forget(other);
	assert_int_equal(
		try_rename(f, &thread, "notes", STORE_REVISION_ANY, "n", STORE_REVISION_ANY), 0);
	assert_hears(other, NOTICE_FILE, thread.gen, "notes");
	assert_hears(other, NOTICE_FILE, thread.gen, "n");
	forget(other);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 1, &thread), 0);
	assert_hears(other, NOTICE_THREAD, thread.gen, "");
	assert_string_equal(other->heard[0].id, "b");
	other_close(other);
}

static void test_F6__what_a_handle_changes_itself__it_is_not_told(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a"), last;
	struct store *store = f->store;
	assert_hears(other, NOTICE_THREAD, thread.gen, "");
	forget(other);
	f->store = other->store;
	put(f, &thread, "mine", "text");
	f->store = store;
	last = make_thread(f, "last");
	assert_hears(other, NOTICE_THREAD, last.gen, "");
	assert_false(heard(other, NOTICE_FILE, thread.gen, "mine"));
	assert_false(heard(other, NOTICE_FILE, thread.gen, ""));
	other_close(other);
}

static void test_F6__a_program_that_tells_nobody__is_noticed_all_the_same(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "x", "text");
	assert_hears(other, NOTICE_FILE, thread.gen, "x");
	forget(other);
	server_command("HSET %s{a}:%llu:files /x TEXT", f->prefix, (unsigned long long)thread.gen);
	assert_hears(other, NOTICE_FILE, thread.gen, "");
	other_close(other);
}

static void test_W5__claim__is_seen_by_the_other_handle(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	struct thread_ref ref = ref_of(&thread);
	assert_int_equal(store_claim(f->store, ref, "000001-user.md"), 0);
	assert_int_equal(store_claim(other->store, ref, "000001-user.md"), -EEXIST);
	assert_int_equal(store_claim(other->store, ref, "000001-tool.md"), -EEXIST);
	assert_int_equal(store_claim(other->store, ref, "000002-user.md"), 0);
	store_unclaim(f->store, ref, "000001-user.md");
	assert_int_equal(store_claim(other->store, ref, "000001-user.md"), 0);
	other_close(other); /* a handle's claims end with it */
	assert_int_equal(store_claim(f->store, ref, "000002-user.md"), 0);
	advance_ms(f, 31 * 1000); /* and with their lease, should it have died */
	other = other_open(f);
	assert_int_equal(store_claim(other->store, ref, "000002-user.md"), 0);
	other_close(other);
}

static void test_W6__append__passes_over_what_the_other_has_claimed(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	assert_int_equal(store_claim(other->store, ref_of(&thread), "000001-user.md"), 0);
	assert_int_equal(try_append(f, &thread, "user", "t", 0, &number), 0);
	assert_int_equal(number, 2);
	other_close(other);
}

/* The ids that the other handle lists as live: it knows those then. */
static void assert_threads_of(struct other *other, const char *ids)
{
	struct thread_page page;
	char seen[256] = "";
	assert_int_equal(store_thread_list(other->store, THREAD_LIVE, 0, 10, &page), 0);
	for (size_t i = 0; i < page.count; i++)
		strcat(strcat(seen, page.items[i].id), " ");
	thread_page_done(&page);
	assert_string_equal(seen, ids);
}

static void test_R5__a_thread_whose_data_is_gone__EIO_and_told(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a"), info;
	struct blob *text = NULL;
	struct file_page page;
	uint32_t number;
	put(f, &thread, "x", "text");
	assert_int_equal(store_thread_find(other->store, "a", &info), 0);
	server_command("DEL %s{a}:%llu:names", f->prefix, (unsigned long long)thread.gen);
	server_command("DEL %s{a}:%llu:files", f->prefix, (unsigned long long)thread.gen);
	assert_hears(other, NOTICE_DATA_LOST, thread.gen, "");
	struct thread_ref ref = ref_of(&thread);
	assert_int_equal(store_file_read(f->store, ref, "x", &text, &(struct file_info){0}), -EIO);
	assert_int_equal(store_file_list(f->store, ref, "", 10, false, &page), -EIO);
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_RENEW, &number), -EIO);
	other_close(other);
}

static void test_R5__a_store_that_was_flushed__EIO_until_the_deadline(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a"), info;
	struct store_health health;
	put(f, &thread, "x", "text");
	assert_int_equal(store_thread_find(other->store, "a", &info), 0);
	server_command("FLUSHALL");
	assert_int_equal(store_thread_stat(other->store, ref_of(&thread), &info), -EIO); /* now */
	assert_hears(other, NOTICE_DATA_LOST, thread.gen, "");
	assert_int_equal(store_thread_find(other->store, "a", &info), -EIO);
	assert_int_equal(store_thread_stat(other->store, ref_of(&thread), &info), -EIO);
	assert_int_equal(store_thread_find(other->store, "never", &info), -ENOENT);
	assert_int_equal(store_health(other->store, false, &health), 0);
	assert_int_equal(health.state, HEALTH_DEGRADED);
	assert_non_null(strstr(health.problem, "flushed"));
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_find(other->store, "a", &info), -ENOENT);
	other_close(other);
}

/* Their own keys are there, and all that is known of them is in one that is not. */
static void test_R5__rows_of_threads_are_gone__EIO_until_the_deadline(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b"), info;
	struct thread_info removed = make_thread(f, "removed");
	struct blob *text = NULL;
	put(f, &a, "x", "text");
	assert_threads_of(other, "a b removed ");
	assert_int_equal(store_thread_remove(f->store, ref_of(&removed), 1, NULL), 0);
	server_command("DEL %sthreads", f->prefix);
	assert_int_equal(store_thread_find(other->store, "removed", &info), -ENOENT);
	assert_int_equal(store_thread_find(other->store, "a", &info), -EIO);
	assert_hears(other, NOTICE_DATA_LOST, a.gen, "");
	assert_hears(other, NOTICE_DATA_LOST, b.gen, ""); /* nobody has asked for it */
	assert_int_equal(store_thread_stat(other->store, ref_of(&b), &info), -EIO);
	assert_int_equal(
		store_file_read(f->store, ref_of(&a), "x", &text, &(struct file_info){0}), -EIO);
	assert_int_equal(store_thread_find(other->store, "never", &info), -ENOENT);
	assert_threads(f, THREAD_LIVE, 10, "");
	make_thread(f, "c");
	assert_threads(f, THREAD_LIVE, 10, "c ");
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_find(other->store, "a", &info), -ENOENT);
	assert_int_equal(store_thread_stat(f->store, ref_of(&b), &info), -ENOENT);
	other_close(other);
}

static void test_R5__listing__finds_rows_that_are_gone(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info a = make_thread(f, "a");
	assert_threads_of(other, "a ");
	server_command("DEL %sthreads", f->prefix);
	assert_threads_of(other, "");
	assert_hears(other, NOTICE_DATA_LOST, a.gen, "");
	other_close(other);
}

static bool says_flushed(struct other *other)
{
	struct store_health health;
	assert_int_equal(store_health(other->store, false, &health), 0);
	return strstr(health.problem, "flushed");
}

/* A server that was flushed may be away again, or answer with an error, when it is asked what is
 * left. */
static void test_R5__what_is_lost_cannot_be_read__it_is_looked_for_again(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info a = make_thread(f, "a");
	assert_threads_of(other, "a ");
	forget(other);
	server_command("DEL %sgens", f->prefix);
	server_command("SET %sthreads garbage", f->prefix);
	server_command("SET %sepoch another", f->prefix);
	for (int i = 0; i < WAIT_MS && !says_flushed(other); i++)
		usleep(1000);
	assert_true(says_flushed(other));
	server_command("DEL %sthreads", f->prefix);
	server_command("CLIENT KILL TYPE normal");
	server_command("CLIENT KILL TYPE pubsub");
	assert_hears(other, NOTICE_DATA_LOST, a.gen, "");
	other_close(other);
}

static void test_M5__a_store_that_was_flushed__numbers_do_not_begin_again(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	uint64_t first = 0, revision = put(f, &thread, "x", "text");
	assert_hears(other, NOTICE_FILE, thread.gen, "x");
	assert_int_equal(store_reserve(other->store, 10, &first), 0);
	struct thread_info info;
	assert_int_equal(store_thread_stat(other->store, ref_of(&thread), &info), 0);
	forget(other);
	server_command("FLUSHALL");
	assert_hears(other, NOTICE_LOST, 0, "");
	uint64_t next = 0;
	assert_int_equal(store_reserve(other->store, 1, &next), 0);
	assert_true(next > first + 9);
	struct thread_info again = make_thread(f, "b");
	assert_true(again.revision > revision);
	other_close(other);
}

static void test_T6__a_thread__has_keys_that_the_server_erases(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct thread_info thread = make_thread(f, "{a} b");
	put(f, &thread, "x", "text");
	static const char *const keys[] = {"names", "files"};
	for (size_t i = 0; i < 2; i++) {
		long long left = server_command("PTTL %s{%%7Ba%%7D\\x20b}:%llu:%s", f->prefix,
			(unsigned long long)thread.gen, keys[i]);
		assert_true(left > (1 + GRACE_H) * HOUR_MS - 60000);
		assert_true(left <= (1 + GRACE_H) * HOUR_MS + 60000);
	}
}

/* The one file of a thread under another name, whichever of both names is hashed first. */
static void test_T6__the_only_file_renamed__keys_are_erased_by_the_server_all_the_same(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	static const char *const names[] = {"a", "b", "c", "notes", "a", "z", "b"};
	struct thread_info thread = make_thread(f, "t");
	put(f, &thread, names[0], "text");
	for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(try_rename(f, &thread, names[i - 1], STORE_REVISION_ANY, names[i],
					 STORE_REVISION_NONE),
			0);
		assert_true(server_command("PTTL %s{t}:%llu:names", f->prefix,
				    (unsigned long long)thread.gen) > 0);
		assert_true(server_command("PTTL %s{t}:%llu:files", f->prefix,
				    (unsigned long long)thread.gen) > 0);
	}
}

static void test_F6__a_program_that_tells_nobody_after_a_mkdir__is_noticed(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info thread = make_thread(f, "a");
	assert_hears(other, NOTICE_THREAD, thread.gen, "");
	forget(other);
	server_command("ZADD %s{a}:%llu:names 0 x", f->prefix, (unsigned long long)thread.gen);
	assert_hears(other, NOTICE_FILE, thread.gen, "");
	other_close(other);
}

/* Has a handle hold the store's epoch and revision against what it has seen. */
static void touch_epoch(struct fixture *f)
{
	server_command("EXPIRE %sepoch 100000", f->prefix);
}

static void test_S3__a_row_with_an_absurd_revision__harms_no_other_thread(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct thread_info bad = make_thread(f, "bad"), good = make_thread(f, "good"), info;
	struct store_health health;
	uint32_t number;
	server_command(
		"HSET %sthreads %llu "
		"9000000000000000\\x200\\x200\\x200\\x200\\x200\\x20448\\x200\\x200\\x201\\x201"
		"\\x201\\x203600000\\x2099999999999999\\x20-1\\x20-1\\x209\\x200\\x200\\x20384"
		"\\x200\\x200\\x201\\x201\\x20-1\\x20bad",
		f->prefix, (unsigned long long)bad.gen);
	assert_int_equal(store_thread_stat(other->store, ref_of(&bad), &info), -EIO);
	assert_hears(other, NOTICE_THREAD, good.gen, "");
	for (int i = 0; i < 20; i++)
		touch_epoch(f);
	forget(other);
	struct thread_info last = make_thread(f, "last");
	assert_hears(other, NOTICE_THREAD, last.gen, "");
	assert_int_equal(store_health(other->store, false, &health), 0);
	assert_null(strstr(health.problem, "went back"));
	assert_int_equal(try_append(f, &good, "user", "t", STORE_RENEW, &number), 0);
	assert_int_equal(store_thread_stat(f->store, ref_of(&good), &info), 0);
	other_close(other);
}

struct writer {
	struct fixture *f;
	struct store *store;
	struct thread_info thread;
	atomic_bool stop;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	while (!atomic_load(&w->stop)) {
		struct turn_new turn = {.role = "user", .ino = 1, .mode = 0600};
		uint32_t first;
		store_append(
			w->store, ref_of(&w->thread), NULL, &turn, 1, STORE_RENEW, NULL, &first);
	}
	return NULL;
}

static void test_R5__a_handle_that_writes_while_it_looks__has_not_gone_back_in_time(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct other *other = other_open(f);
	struct writer w = {.f = f, .store = other->store, .thread = make_thread(f, "a")};
	struct store_health health;
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_on, &w), 0);
	for (int i = 0; i < 1000; i++)
		touch_epoch(f);
	atomic_store(&w.stop, true);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(store_health(other->store, false, &health), 0);
	assert_null(strstr(health.problem, "back"));
	other_close(other);
}

static void test_S3__a_row_that_is_none__does_not_keep_others_from_being_erased(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct thread_info bad = make_thread(f, "bad"), good = make_thread(f, "good");
	server_command("HSET %sthreads %llu garbage", f->prefix, (unsigned long long)bad.gen);
	advance_ms(f, 30 * HOUR_MS);
	assert_int_equal(purge_all(f, 0), 1);
	assert_int_equal(
		server_command("HEXISTS %sthreads %llu", f->prefix, (unsigned long long)good.gen),
		0);
}

static void test_R5__a_thread_whose_contents_alone_are_gone__takes_no_more(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct thread_info thread = make_thread(f, "a");
	struct file_page page;
	struct blob *text = NULL;
	uint32_t number;
	put(f, &thread, "x", "text");
	server_command("DEL %s{a}:%llu:files", f->prefix, (unsigned long long)thread.gen);
	struct thread_ref ref = ref_of(&thread);
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_RENEW, &number), -EIO);
	assert_int_equal(store_file_list(f->store, ref, "", 10, false, &page), -EIO);
	assert_int_equal(store_file_read(f->store, ref, "x", &text, &(struct file_info){0}), -EIO);
}

static void test_R5__names_gone_while_a_claim_is_there__takes_no_more(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct thread_info thread = make_thread(f, "a");
	uint32_t number;
	put(f, &thread, "x", "text");
	assert_int_equal(store_claim(f->store, ref_of(&thread), "y"), 0);
	server_command("DEL %s{a}:%llu:names", f->prefix, (unsigned long long)thread.gen);
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_RENEW, &number), -EIO);
}

static void test_W9__a_server_without_memory__lets_what_is_there_be_removed(void **state)
{
	struct fixture *f = *state;
	needs_server(f);
	struct thread_info thread = make_thread(f, "a"), empty = make_thread(f, "empty");
	struct turn_new turn = {.role = "user", .ino = reserve(f), .mode = 0600};
	uint32_t number;
	put(f, &thread, "x", "text");
	server_command("CONFIG SET maxmemory 1");
	int appended =
		store_append(f->store, ref_of(&thread), NULL, &turn, 1, STORE_RENEW, NULL, &number);
	int removed = try_remove(f, &thread, "x", STORE_REVISION_ANY);
	int gone = store_thread_remove(f->store, ref_of(&empty), 1, NULL);
	advance_ms(f, 30 * HOUR_MS);
	size_t purged = 0;
	int rc = store_purge(f->store, 0, 100, &purged);
	server_command("CONFIG SET maxmemory 0");
	assert_int_equal(appended, -ENOSPC);
	assert_int_equal(removed, 0);
	assert_int_equal(gone, 0);
	assert_int_equal(rc, 0);
	assert_int_equal(purged, 1);
}

static void test_T2__a_ttl_of_thousands_of_years__can_be_read_again(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread, info;
	assert_int_equal(try_thread(f, "old", INT64_C(900000000000000), &thread), 0);
	assert_int_equal(store_thread_find(f->store, "old", &info), 0);
	put(f, &thread, "x", "text");
	assert_int_equal(store_thread_find(f->store, "old", &info), 0);
	assert_true(info.deadline_ms > INT64_C(900000000000000));
}

int contract_shared(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_F6__what_one_handle_changes__the_other_is_told),
		CONTRACT_TEST(test_F6__what_a_handle_changes_itself__it_is_not_told),
		CONTRACT_TEST(test_F6__a_program_that_tells_nobody__is_noticed_all_the_same),
		CONTRACT_TEST(test_W5__claim__is_seen_by_the_other_handle),
		CONTRACT_TEST(test_W6__append__passes_over_what_the_other_has_claimed),
		CONTRACT_TEST(test_R5__a_thread_whose_data_is_gone__EIO_and_told),
		CONTRACT_TEST(test_R5__a_store_that_was_flushed__EIO_until_the_deadline),
		CONTRACT_TEST(test_R5__rows_of_threads_are_gone__EIO_until_the_deadline),
		CONTRACT_TEST(test_R5__listing__finds_rows_that_are_gone),
		CONTRACT_TEST(test_R5__what_is_lost_cannot_be_read__it_is_looked_for_again),
		CONTRACT_TEST(test_M5__a_store_that_was_flushed__numbers_do_not_begin_again),
		CONTRACT_TEST(test_T6__a_thread__has_keys_that_the_server_erases),
		CONTRACT_TEST(
			test_T6__the_only_file_renamed__keys_are_erased_by_the_server_all_the_same),
		CONTRACT_TEST(test_F6__a_program_that_tells_nobody_after_a_mkdir__is_noticed),
		CONTRACT_TEST(test_S3__a_row_with_an_absurd_revision__harms_no_other_thread),
		CONTRACT_TEST(
			test_R5__a_handle_that_writes_while_it_looks__has_not_gone_back_in_time),
		CONTRACT_TEST(test_T2__a_ttl_of_thousands_of_years__can_be_read_again),
		CONTRACT_TEST(test_S3__a_row_that_is_none__does_not_keep_others_from_being_erased),
		CONTRACT_TEST(test_R5__a_thread_whose_contents_alone_are_gone__takes_no_more),
		CONTRACT_TEST(test_R5__names_gone_while_a_claim_is_there__takes_no_more),
		CONTRACT_TEST(test_W9__a_server_without_memory__lets_what_is_there_be_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
