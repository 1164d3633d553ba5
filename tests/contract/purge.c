/* The contract of erasing: never early, and then whole. */
#include "contract.h"

static struct thread_info expired_thread(struct fixture *f)
{
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "x", "1");
	put(f, &thread, "y", "2");
	put(f, &thread, "z", "3");
	advance_ms(f, HOUR_MS);
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0); /* whoever must find it first has now */
	return thread;
}

static void test_T6__purge__not_before_grace_is_over(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = expired_thread(f);
	advance_ms(f, 2 * HOUR_MS - 1);
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
	assert_content(f, &thread, "x", "1");
	advance_ms(f, 1);
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
	assert_int_equal(store_thread_stat(f->store, ref_of(&thread), &thread), -ENOENT);
	assert_false(has_file(f, &thread, "x"));
	assert_threads(f, THREAD_GRACE, 10, "");
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
}

static void test_T6__purge_with_grace_0__at_once(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), live;
	put(f, &thread, "x", "1");
	advance_ms(f, HOUR_MS - 1);
	live = make_thread(f, "b");
	assert_int_equal(purge_all(f, 0), 0);
	advance_ms(f, 1);
	assert_true(purge_all(f, 0) > 0);
	assert_int_equal(store_thread_stat(f->store, ref_of(&thread), &thread), -ENOENT);
	assert_int_equal(store_thread_stat(f->store, ref_of(&live), &live), 0);
}

static void test_T6__purge_in_small_steps__comes_to_an_end(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = expired_thread(f);
	size_t steps = 0, purged = 1;
	advance_ms(f, 2 * HOUR_MS);
	for (; purged > 0 && steps < 20; steps++) {
		assert_int_equal(store_purge(f->store, 2 * HOUR_MS, 1, &purged), 0);
		assert_true(purged <= 3);
	}
	assert_true(steps < 20);
	assert_int_equal(store_thread_stat(f->store, ref_of(&thread), &thread), -ENOENT);
	assert_threads(f, THREAD_GRACE, 10, "");
}

static void test_R4__purge__enters_each_thread_in_the_ledger(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = expired_thread(f);
	struct ledger_page page;
	advance_ms(f, 2 * HOUR_MS);
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
	assert_int_equal(store_ledger_list(f->store, 0, 10, &page), 0);
	assert_int_equal(page.count, 1);
	assert_int_equal(page.items[0].cause, LEDGER_PURGED);
	assert_string_equal(page.items[0].id, "a");
	assert_true(page.items[0].gen == thread.gen && page.items[0].ttl_ms == thread.ttl_ms);
	assert_true(page.items[0].deadline_ms == thread.deadline_ms);
	assert_true(page.items[0].time_ms >= thread.deadline_ms + 2 * HOUR_MS);
	ledger_page_done(&page);
}

/* What is half erased must not come back as a thread that lost some of its turns. */
static void test_T6__purge_begun__restores_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = expired_thread(f), found;
	size_t purged;
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(store_purge(f->store, 2 * HOUR_MS, 1, &purged), 0);
	int r = store_thread_rename(f->store, ref_of(&thread), "a", false, 1, &found);
	assert_true(r == -ENOENT || (r == 0 && found.files == 3));
}

static void test_T6__purge_with_the_clock_before_the_last_commit__nothing(void **state)
{
	struct fixture *f = *state;
	needs_purging(f);
	struct thread_info thread = expired_thread(f);
	advance_ms(f, 20 * HOUR_MS);
	make_thread(f, "b");
	advance_ms(f, -HOUR_MS);
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
	assert_content(f, &thread, "x", "1");
	advance_ms(f, HOUR_MS);
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
}

static void test_T6__purge__spares_the_new_life_of_the_name(void **state)
{
	struct fixture *f = *state;
	struct thread_info old = expired_thread(f), found;
	advance_ms(f, 2 * HOUR_MS);
	struct thread_info live = make_thread(f, "a");
	put(f, &live, "x", "new");
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
	assert_int_equal(store_thread_stat(f->store, ref_of(&old), &found), -ENOENT);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_content(f, &found, "x", "new");
}

static void test_T6__revived_thread__is_not_purged(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = expired_thread(f);
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "a", false, 1, &thread), 0);
	advance_ms(f, HOUR_MS); /* expired again: grace begins again */
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
	advance_ms(f, 2 * HOUR_MS - 1);
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
	assert_content(f, &thread, "x", "1");
	advance_ms(f, 1);
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
}

static void test_T6__found_expired_at_open__grace_counts_from_there(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	needs_purging(f);
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "x", "1");
	store_close(f->store);
	advance_ms(f, 100 * HOUR_MS);
	contract_open_fixture(f);
	assert_int_equal(purge_all(f, 2 * HOUR_MS), 0);
	assert_content(f, &thread, "x", "1");
	advance_ms(f, 2 * HOUR_MS);
	assert_true(purge_all(f, 2 * HOUR_MS) > 0);
}

int contract_purge(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_T6__purge__not_before_grace_is_over),
		CONTRACT_TEST(test_T6__purge_with_grace_0__at_once),
		CONTRACT_TEST(test_T6__purge_in_small_steps__comes_to_an_end),
		CONTRACT_TEST(test_R4__purge__enters_each_thread_in_the_ledger),
		CONTRACT_TEST(test_T6__purge_begun__restores_whole_or_not_at_all),
		CONTRACT_TEST(test_T6__purge_with_the_clock_before_the_last_commit__nothing),
		CONTRACT_TEST(test_T6__purge__spares_the_new_life_of_the_name),
		CONTRACT_TEST(test_T6__revived_thread__is_not_purged),
		CONTRACT_TEST(test_T6__found_expired_at_open__grace_counts_from_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
