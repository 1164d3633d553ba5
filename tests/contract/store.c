/* The contract of the store as a whole: numbers, root, documents, ledger, usage, health. */
#include "contract.h"

#include <stdio.h>
#include <string.h>

static void test_M5__reserve__never_gives_a_number_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t a = 0, b = 0, c = 0;
	assert_int_equal(store_reserve(f->store, 1, &a), 0);
	assert_int_equal(store_reserve(f->store, 1000, &b), 0);
	assert_int_equal(store_reserve(f->store, 1, &c), 0);
	assert_true(a > 1); /* 1 is the root's inode number */
	assert_true(b > a && c >= b + 1000 && c < UINT64_C(1) << 62);
}

static void test_M4__root__is_zero_until_set(void **state)
{
	struct fixture *f = *state;
	struct root_info zero = {0}, info = {.mode = 1};
	assert_int_equal(store_root_get(f->store, &info), 0);
	assert_same_root(&info, &zero);
	struct root_info set = {01777, 5, 6, -1, INT64_MAX};
	assert_int_equal(store_root_set(f->store, &set), 0);
	assert_int_equal(store_root_get(f->store, &info), 0);
	assert_same_root(&info, &set);
}

static int try_doc(struct fixture *f, struct thread_info *thread, uint64_t expect, const char *text)
{
	struct blob *blob CLEAN_BLOB = text ? blob_new(text, strlen(text)) : NULL;
	struct thread_change all = {.set = SET_DOC,
		.time_ns = now_ns(f),
		.doc = {.expect = expect, .text = blob, .flags = 9, .mode = 1, .mtime_ns = 1}};
	return store_apply(f->store, ref_of(thread), &all, NULL, 0, 0, thread);
}

static void assert_doc(struct fixture *f, struct thread_info *thread, const char *text)
{
	struct blob *blob CLEAN_BLOB = NULL;
	uint64_t revision = 0;
	assert_int_equal(store_doc_read(f->store, ref_of(thread), &blob, &revision), 0);
	assert_true(revision == thread->doc.revision);
	if (text)
		assert_string_equal(blob_data(blob), text);
	else
		assert_null(blob);
}

static void test_M3__document__is_none_until_set(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_doc(f, &thread, NULL);
	assert_int_equal(try_doc(f, &thread, thread.doc.revision, "{}"), 0);
	assert_doc(f, &thread, "{}");
	assert_true(thread.doc.flags == 9 && thread.doc.mode == 0600 && thread.doc.mtime_ns == 11);
	assert_int_equal(thread.files, 0);
}

static void test_M3__document__with_an_old_revision_ESTALE(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(try_doc(f, &thread, STORE_REVISION_ANY, "1"), 0);
	uint64_t old = thread.doc.revision;
	assert_int_equal(try_doc(f, &thread, old, "2"), 0);
	assert_true(thread.doc.revision != old);
	assert_int_equal(try_doc(f, &thread, old, "3"), -ESTALE);
	assert_int_equal(try_doc(f, &thread, STORE_REVISION_NONE, "3"), -ESTALE);
	assert_doc(f, &thread, "2");
	assert_int_equal(try_doc(f, &thread, thread.doc.revision, NULL), 0);
	assert_doc(f, &thread, NULL);
}

static void test_M3__document_attributes__set_apart_from_the_text(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(try_doc(f, &thread, STORE_REVISION_ANY, "1"), 0);
	struct thread_change all = {
		.set = SET_DOC_MODE | SET_DOC_OWNER | SET_DOC_MTIME,
		.time_ns = 50,
		.doc = {.mode = 0644, .uid = 1, .gid = 2, .mtime_ns = 3},
	};
	assert_int_equal(store_apply(f->store, ref_of(&thread), &all, NULL, 0, 0, &thread), 0);
	assert_true(thread.doc.mode == 0644 && thread.doc.uid == 1 && thread.doc.gid == 2);
	assert_true(thread.doc.mtime_ns == 3 && thread.doc.ctime_ns == 50);
	assert_int_equal(thread.doc.flags, 9);
	assert_doc(f, &thread, "1");
}

static void add_line(struct fixture *f, uint32_t number)
{
	struct ledger_entry entry = {
		.seq = 4711,
		.time_ms = 1000 + number,
		.gen = number,
		.cause = LEDGER_RENAMED,
		.ttl_ms = STORE_TTL_NEVER,
		.deadline_ms = STORE_DEADLINE_NEVER,
		.turns = number,
	};
	snprintf(entry.id, sizeof(entry.id), "t%u", number);
	snprintf(entry.detail, sizeof(entry.detail), "to %u", number);
	assert_int_equal(store_ledger_add(f->store, &entry, 1), 0);
}

static void test_R4__ledger__keeps_lines_in_order(void **state)
{
	struct fixture *f = *state;
	struct ledger_page page;
	for (uint32_t i = 1; i <= 5; i++)
		add_line(f, i);
	assert_int_equal(store_ledger_list(f->store, 0, 3, &page), 0);
	assert_true(page.count == 3 && page.more);
	assert_string_equal(page.items[0].id, "t1");
	assert_string_equal(page.items[2].detail, "to 3");
	assert_true(page.items[1].time_ms == 1002 && page.items[1].turns == 2);
	assert_true(page.items[1].cause == LEDGER_RENAMED && page.items[1].gen == 2);
	assert_true(page.items[1].ttl_ms == STORE_TTL_NEVER);
	assert_true(page.items[1].deadline_ms == STORE_DEADLINE_NEVER);
	assert_true(page.items[0].seq < page.items[1].seq);
	uint64_t after = page.items[2].seq;
	ledger_page_done(&page);
	assert_int_equal(store_ledger_list(f->store, after, 3, &page), 0);
	assert_true(page.count == 2 && !page.more);
	assert_string_equal(page.items[1].id, "t5");
	ledger_page_done(&page);
}

static void test_R4__ledger__takes_many_lines_in_one_step_in_order(void **state)
{
	enum { LINES = 300 };
	struct fixture *f = *state;
	struct ledger_page page;
	struct ledger_entry entries[LINES] = {0};
	add_line(f, 1);
	for (uint32_t i = 0; i < LINES; i++) {
		entries[i].cause = LEDGER_EXPIRED;
		snprintf(entries[i].id, sizeof(entries[i].id), "n%u", i);
	}
	assert_int_equal(store_ledger_add(f->store, entries, 0), 0);
	assert_int_equal(store_ledger_add(f->store, entries, LINES), 0);
	assert_int_equal(store_ledger_list(f->store, 0, 2 * LINES, &page), 0);
	assert_true(page.count == LINES + 1 && !page.more);
	assert_string_equal(page.items[1].id, "n0");
	assert_string_equal(page.items[LINES].id, "n299");
	for (size_t i = 1; i < page.count; i++)
		assert_true(page.items[i].seq > page.items[i - 1].seq);
	ledger_page_done(&page);
}

static void test_R4__ledger__is_bounded_and_drops_the_oldest(void **state)
{
	enum { LINES = 10400, KEPT = 10000, SLACK = 400 };
	struct fixture *f = *state;
	struct ledger_page page;
	for (uint32_t i = 1; i <= LINES; i++)
		add_line(f, i);
	assert_int_equal(store_ledger_list(f->store, 0, 2 * LINES, &page), 0);
	assert_true(page.count >= KEPT && page.count < KEPT + SLACK);
	assert_int_equal(page.items[page.count - 1].turns, LINES);
	for (size_t i = 1; i < page.count; i++)
		assert_true(page.items[i].turns == page.items[i - 1].turns + 1);
	ledger_page_done(&page);
}

static void test_M5__usage__counts_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct store_usage usage;
	make_thread(f, "b");
	put(f, &thread, "x", "1");
	put(f, &thread, "y", "1");
	assert_int_equal(store_usage(f->store, &usage), 0);
	assert_true(usage.threads == 2 && usage.files == 2);
	assert_true(usage.bytes_total > 0 && usage.bytes_free <= usage.bytes_total);
	assert_true(usage.bytes_used > 0);
}

static void test_R6__health__is_ok_and_says_what_could_be_lost(void **state)
{
	struct fixture *f = *state;
	struct store_health health;
	assert_int_equal(store_sync(f->store), 0);
	assert_int_equal(store_health(f->store, true, &health), 0);
	assert_int_equal(health.state, HEALTH_OK);
	assert_int_equal(health.error, 0);
	assert_true(health.storage[0] && health.durability[0] && health.problem[0] == '\0');
	assert_int_equal(health.damaged, 0);
}

static void test_R2__memory__says_that_a_restart_loses_all(void **state)
{
	struct fixture *f = *state;
	struct store_health health;
	assert_int_equal(f->store->ops->volatile_store, !contract_backend->persistent);
	if (contract_backend->persistent)
		skip();
	assert_int_equal(store_health(f->store, false, &health), 0);
	assert_non_null(strstr(health.durability, "a restart"));
	assert_non_null(strstr(health.durability, "loses everything"));
}

static void test_T11__now__is_the_injected_clock(void **state)
{
	struct fixture *f = *state;
	int64_t before = store_now_ms(f->store);
	assert_true(before == now_ns(f) / MS_NS);
	advance_ms(f, 12345);
	assert_true(store_now_ms(f->store) == before + 12345);
}

static void test_S2__open_of_a_redis_url__says_no_password(void **state)
{
	struct fixture *f = *state;
	struct store_options options = {.create = true, .timeout_ms = 300};
	static const char *const urls[] = {"redis://u:hunter2@h/0", "rediss://:hunter2@h",
		"redis+unix:///tmp/s?password=hunter2", "Redis://:hunter2@h", "http://:hunter2@h"};
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		struct errtext error = {0};
		struct store *store = f->store;
		assert_true(store_open(urls[i], &options, &store, &error) < 0);
		assert_true(error.text[0] && !strstr(error.text, "hunter2"));
		assert_ptr_equal(store, f->store);
	}
}

int contract_store(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_M5__reserve__never_gives_a_number_twice),
		CONTRACT_TEST(test_M4__root__is_zero_until_set),
		CONTRACT_TEST(test_M3__document__is_none_until_set),
		CONTRACT_TEST(test_M3__document__with_an_old_revision_ESTALE),
		CONTRACT_TEST(test_M3__document_attributes__set_apart_from_the_text),
		CONTRACT_TEST(test_R4__ledger__keeps_lines_in_order),
		CONTRACT_TEST(test_R4__ledger__takes_many_lines_in_one_step_in_order),
		CONTRACT_TEST(test_R4__ledger__is_bounded_and_drops_the_oldest),
		CONTRACT_TEST(test_M5__usage__counts_what_is_there),
		CONTRACT_TEST(test_R6__health__is_ok_and_says_what_could_be_lost),
		CONTRACT_TEST(test_R2__memory__says_that_a_restart_loses_all),
		CONTRACT_TEST(test_T11__now__is_the_injected_clock),
		CONTRACT_TEST(test_S2__open_of_a_redis_url__says_no_password),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
