/* The contract of time: deadlines, renewing, grace, reviving and restoring. */
#include "contract.h"

#include <string.h>

static void test_T1__at_the_deadline__thread_find_is_ENOENT(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), info;
	advance_ms(f, HOUR_MS - 1);
	assert_int_equal(store_thread_find(f->store, "a", &info), 0);
	assert_threads(f, THREAD_LIVE, 10, "a ");
	assert_threads(f, THREAD_GRACE, 10, "");
	advance_ms(f, 1);
	assert_int_equal(store_thread_find(f->store, "a", &info), -ENOENT);
	assert_threads(f, THREAD_LIVE, 10, "");
	assert_threads(f, THREAD_GRACE, 10, "a ");
	assert_int_equal(store_thread_stat(f->store, ref_of(&thread), &info), 0);
	assert_true(info.deadline_ms == store_now_ms(f->store));
}

static void test_T1__after_the_deadline__nothing_changes_it(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint32_t number;
	put(f, &thread, "x", "text");
	advance_ms(f, HOUR_MS);
	assert_int_equal(try_put(f, &thread, "y", STORE_REVISION_ANY, "y", 0, NULL), -ENOENT);
	assert_int_equal(
		try_put(f, &thread, "y", STORE_REVISION_ANY, "y", STORE_RENEW, NULL), -ENOENT);
	assert_int_equal(try_remove(f, &thread, "x", STORE_REVISION_ANY), -ENOENT);
	assert_int_equal(try_append(f, &thread, "user", "z", STORE_RENEW, &number), -ENOENT);
	assert_int_equal(store_claim(f->store, ref_of(&thread), "z"), -ENOENT);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), 1, NULL), -ENOENT);
	assert_names(f, &thread, 10, "x ");
}

static void test_T6__in_grace__everything_can_be_read(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct blob *doc = NULL;
	uint64_t revision;
	put(f, &thread, "000001-user.md", "text");
	advance_ms(f, 2 * HOUR_MS);
	assert_content(f, &thread, "000001-user.md", "text");
	assert_names(f, &thread, 10, "000001-user.md ");
	assert_int_equal(store_doc_read(f->store, ref_of(&thread), &doc, &revision), 0);
}

static void test_T3__only_RENEW_moves_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	int64_t deadline = thread.deadline_ms;
	advance_ms(f, HOUR_MS / 2);
	assert_content(f, &thread, (put(f, &thread, "x", "1"), "x"), "1");
	assert_true(thread.deadline_ms == deadline + HOUR_MS / 2);
	advance_ms(f, 1000);
	assert_int_equal(try_put(f, &thread, ".swp", STORE_REVISION_ANY, "1", 0, NULL), 0);
	stat_thread(f, &thread);
	assert_true(thread.deadline_ms == deadline + HOUR_MS / 2);
}

static int try_ttl(struct fixture *f, struct thread_info *thread, int64_t ttl_ms, unsigned flags)
{
	struct thread_change all = {.set = SET_TTL, .time_ns = now_ns(f), .ttl_ms = ttl_ms};
	return store_apply(f->store, ref_of(thread), &all, NULL, 0, flags, thread);
}

static void test_T4__set_ttl__moves_the_deadline_with_RENEW_only(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	int64_t deadline = thread.deadline_ms, now = store_now_ms(f->store);
	assert_int_equal(try_ttl(f, &thread, 5 * HOUR_MS, 0), 0);
	assert_true(thread.ttl_ms == 5 * HOUR_MS && thread.deadline_ms == deadline);
	assert_int_equal(try_ttl(f, &thread, 7 * HOUR_MS, STORE_RENEW), 0);
	assert_true(thread.deadline_ms == now + 7 * HOUR_MS);
	assert_int_equal(try_ttl(f, &thread, STORE_TTL_NEVER, STORE_RENEW), 0);
	assert_true(thread.deadline_ms == STORE_DEADLINE_NEVER);
	assert_int_equal(try_ttl(f, &thread, 1000, STORE_RENEW), 0);
	advance_ms(f, 1000);
	assert_int_equal(store_thread_find(f->store, "a", &thread), -ENOENT);
}

static void test_T4__a_later_renewal__uses_the_ttl_of_the_thread(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(try_ttl(f, &thread, 3 * HOUR_MS, STORE_RENEW), 0);
	advance_ms(f, 2 * HOUR_MS);
	put(f, &thread, "x", "x");
	assert_true(thread.deadline_ms == store_now_ms(f->store) + 3 * HOUR_MS);
}

static void test_T5__apply_with_REVIVE__brings_an_expired_thread_back(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), found;
	put(f, &thread, "x", "1");
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(try_put(f, &thread, "y", STORE_REVISION_NONE, "2", STORE_REVIVE, NULL), 0);
	assert_int_equal(thread.life, 1);
	assert_true(thread.deadline_ms == store_now_ms(f->store) + HOUR_MS);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_same_thread(&found, &thread);
	assert_names(f, &thread, 10, "x y ");
	assert_threads(f, THREAD_GRACE, 10, "");
	assert_int_equal(try_put(f, &thread, "z", STORE_REVISION_NONE, "3", STORE_REVIVE, NULL), 0);
	assert_int_equal(thread.life, 1);
}

static void test_T5__append_with_REVIVE__brings_it_back_too(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), found;
	uint32_t number = 0;
	advance_ms(f, HOUR_MS);
	assert_int_equal(
		try_append(f, &thread, "user", "x", STORE_REVIVE | STORE_RENEW, &number), 0);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_true(found.life == 1 && found.gen == thread.gen && number == 1);
}

static void test_T5__REVIVE_when_the_name_is_taken__changes_it_where_it_lies(void **state)
{
	struct fixture *f = *state;
	struct thread_info old = make_thread(f, "a"), found;
	uint32_t number = 0;
	advance_ms(f, HOUR_MS);
	struct thread_info taken = make_thread(f, "a");
	int64_t deadline = old.deadline_ms;
	assert_int_equal(
		try_append(f, &old, "user", "late", STORE_REVIVE | STORE_RENEW, &number), 0);
	old = stat_thread(f, &old);
	assert_true(old.deadline_ms == deadline && old.life == 0 && old.turns == 1);
	assert_content(f, &old, "000001-user.md", "late");
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_true(found.gen == taken.gen && found.turns == 0);
	assert_threads(f, THREAD_GRACE, 10, "a ");
}

static void test_T5__REVIVE_with_a_wrong_revision__does_not_revive(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), found;
	put(f, &thread, "x", "1");
	advance_ms(f, HOUR_MS);
	assert_int_equal(try_put(f, &thread, "x", 123456, "2", STORE_REVIVE, NULL), -ESTALE);
	assert_int_equal(store_thread_find(f->store, "a", &found), -ENOENT);
	assert_int_equal(stat_thread(f, &thread).life, 0);
}

static void test_T6__rename_of_an_expired_thread__restores_it(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), found;
	put(f, &thread, "000001-user.md", "text");
	advance_ms(f, 3 * HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "a", false, 5, &thread), 0);
	assert_true(thread.life == 1 && thread.ctime_ns == 5);
	assert_true(thread.deadline_ms == store_now_ms(f->store) + HOUR_MS);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_content(f, &found, "000001-user.md", "text");
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 6, &thread), 0);
	assert_int_equal(store_thread_find(f->store, "b", &found), 0);
	assert_int_equal(found.life, 2);
	assert_int_equal(store_thread_find(f->store, "a", &found), -ENOENT);
}

static void test_T7__create_in_grace__makes_a_new_life_and_keeps_the_old(void **state)
{
	struct fixture *f = *state;
	struct thread_info first = make_thread(f, "a"), found;
	put(f, &first, "x", "first");
	advance_ms(f, HOUR_MS);
	struct thread_info second = make_thread(f, "a");
	assert_true(second.gen != first.gen && second.files == 0);
	put(f, &second, "x", "second");
	advance_ms(f, HOUR_MS);
	struct thread_info third = make_thread(f, "a");
	assert_threads(f, THREAD_GRACE, 10, "a a ");
	assert_threads(f, THREAD_GRACE, 1, "a a ");
	assert_threads(f, THREAD_LIVE, 10, "a ");
	assert_content(f, &first, "x", "first");
	assert_content(f, &second, "x", "second");
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_true(found.gen == third.gen);
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&first), "a", false, 5, &found), -EEXIST);
	assert_int_equal(store_thread_rename(f->store, ref_of(&first), "b", false, 5, &found), 0);
	assert_threads(f, THREAD_LIVE, 10, "b a ");
	assert_content(f, &found, "x", "first");
}

static void test_T7__two_lives_in_grace__either_can_come_back(void **state)
{
	struct fixture *f = *state;
	struct thread_info first = make_thread(f, "a"), found;
	advance_ms(f, HOUR_MS);
	struct thread_info second = make_thread(f, "a");
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&first), "a", false, 5, &found), 0);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_true(found.gen == first.gen);
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&second), "a", false, 5, &found), -EEXIST);
	assert_int_equal(store_thread_rename(f->store, ref_of(&second), "a", true, 5, &found), 0);
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_true(found.gen == second.gen);
}

static void test_T10__rename__keeps_ttl_and_deadline(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(try_ttl(f, &thread, 9 * HOUR_MS, STORE_RENEW), 0);
	int64_t deadline = thread.deadline_ms;
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 5, &thread), 0);
	assert_true(thread.ttl_ms == 9 * HOUR_MS && thread.deadline_ms == deadline);
}

int contract_time(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_T1__at_the_deadline__thread_find_is_ENOENT),
		CONTRACT_TEST(test_T1__after_the_deadline__nothing_changes_it),
		CONTRACT_TEST(test_T6__in_grace__everything_can_be_read),
		CONTRACT_TEST(test_T3__only_RENEW_moves_the_deadline),
		CONTRACT_TEST(test_T4__set_ttl__moves_the_deadline_with_RENEW_only),
		CONTRACT_TEST(test_T4__a_later_renewal__uses_the_ttl_of_the_thread),
		CONTRACT_TEST(test_T5__apply_with_REVIVE__brings_an_expired_thread_back),
		CONTRACT_TEST(test_T5__append_with_REVIVE__brings_it_back_too),
		CONTRACT_TEST(test_T5__REVIVE_when_the_name_is_taken__changes_it_where_it_lies),
		CONTRACT_TEST(test_T5__REVIVE_with_a_wrong_revision__does_not_revive),
		CONTRACT_TEST(test_T6__rename_of_an_expired_thread__restores_it),
		CONTRACT_TEST(test_T7__create_in_grace__makes_a_new_life_and_keeps_the_old),
		CONTRACT_TEST(test_T7__two_lives_in_grace__either_can_come_back),
		CONTRACT_TEST(test_T10__rename__keeps_ttl_and_deadline),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
