/* The contract of threads: made, found, listed, renamed, removed. */
#include "contract.h"

#include <stdio.h>
#include <string.h>

static void test_W1__create__keeps_what_was_given(void **state)
{
	struct fixture *f = *state;
	struct thread_info made = make_thread(f, "a"), found;
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_string_equal(found.id, "a");
	assert_true(found.gen == made.gen && found.gen > 1);
	assert_true(found.revision != STORE_REVISION_NONE && found.revision == made.revision);
	assert_int_equal(found.mode, 0755);
	assert_int_equal(found.uid, 1000);
	assert_int_equal(found.gid, 1001);
	assert_true(found.created_ns == now_ns(f) && found.mtime_ns == now_ns(f) + 1 &&
		    found.ctime_ns == now_ns(f) + 2);
	assert_true(found.ttl_ms == HOUR_MS);
	assert_true(found.deadline_ms == store_now_ms(f->store) + HOUR_MS);
	assert_int_equal(found.turns + found.files + found.last_turn + found.life, 0);
	assert_true(found.doc.ino == made.doc.ino && found.doc.flags == 3);
	assert_int_equal(found.doc.mode, 0600);
	assert_true(found.doc.uid == 7 && found.doc.gid == 8);
	assert_true(found.doc.mtime_ns == 11 && found.doc.ctime_ns == 12);
}

static void test_W1__create_of_a_live_name__EEXIST(void **state)
{
	struct fixture *f = *state;
	struct thread_info made = make_thread(f, "a"), again = {.gen = 12345};
	assert_int_equal(try_thread(f, "a", HOUR_MS, &again), -EEXIST);
	assert_int_equal(again.gen, 12345);
	assert_true(stat_thread(f, &made).revision == made.revision);
}

static void test_N1__odd_names__are_kept_as_they_are(void **state)
{
	static const char *const ids[] = {"-rf", "a b", "thread:*{x}", "%2F", "ÄÖ", "a'\"b", "~"};
	struct fixture *f = *state;
	char longest[STORE_NAME_MAX + 1];
	struct thread_info found;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		make_thread(f, ids[i]);
		assert_int_equal(store_thread_find(f->store, ids[i], &found), 0);
		assert_string_equal(found.id, ids[i]);
	}
	memset(longest, 'x', STORE_NAME_MAX);
	longest[STORE_NAME_MAX] = '\0';
	make_thread(f, longest);
	assert_int_equal(store_thread_find(f->store, longest, &found), 0);
	assert_string_equal(found.id, longest);
	assert_int_equal(store_thread_find(f->store, "äö", &found), -ENOENT);
}

static void test_T2__ttl_never__has_no_deadline(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;
	assert_int_equal(try_thread(f, "a", STORE_TTL_NEVER, &info), 0);
	assert_true(info.ttl_ms == STORE_TTL_NEVER && info.deadline_ms == STORE_DEADLINE_NEVER);
	advance_ms(f, 100 * 365 * 24 * HOUR_MS);
	assert_int_equal(store_thread_find(f->store, "a", &info), 0);
}

static void test_W1__find_of_what_never_was__ENOENT(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;
	struct thread_ref nobody = {.id = "a", .gen = 424242};
	assert_int_equal(store_thread_find(f->store, "a", &info), -ENOENT);
	assert_int_equal(store_thread_stat(f->store, nobody, &info), -ENOENT);
	assert_int_equal(store_thread_remove(f->store, nobody, 1, NULL), -ENOENT);
	assert_int_equal(store_thread_rename(f->store, nobody, "b", true, 1, &info), -ENOENT);
}

static void test_B1__list__pages_in_order_of_gen(void **state)
{
	struct fixture *f = *state;
	char ids[1024] = "", id[16];
	for (int i = 0; i < 25; i++) {
		snprintf(id, sizeof(id), "t%d", 99 - i);
		make_thread(f, id);
		strcat(strcat(ids, id), " ");
	}
	assert_threads(f, THREAD_LIVE, 1, ids);
	assert_threads(f, THREAD_LIVE, 7, ids);
	assert_threads(f, THREAD_LIVE, 25, ids);
	assert_threads(f, THREAD_LIVE, 1000, ids);
	assert_threads(f, THREAD_GRACE, 10, "");
}

static void test_W10__remove__only_without_files(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), info;
	put(f, &thread, "000001-user.md", "x");
	assert_int_equal(
		store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), -ENOTEMPTY);
	assert_int_equal(try_remove(f, &thread, "000001-user.md", STORE_REVISION_ANY), 0);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), 0);
	assert_int_equal(store_thread_find(f->store, "a", &info), -ENOENT);
	assert_int_equal(store_thread_stat(f->store, ref_of(&thread), &info), -ENOENT);
	assert_threads(f, THREAD_GRACE, 10, "");
	struct thread_info next = make_thread(f, "a");
	assert_true(next.gen != thread.gen);
	assert_int_equal(next.last_turn, 0);
}

static void test_W10__remove__the_document_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct blob *text CLEAN_BLOB = blob_new("{}", 2);
	struct thread_change all = {
		.set = SET_DOC, .doc = {.expect = STORE_REVISION_ANY, .text = text}};
	assert_int_equal(store_apply(f->store, ref_of(&thread), &all, NULL, 0, 0, &thread), 0);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), 0);
}

static void test_W11__rename__keeps_everything_but_the_name(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), renamed, info;
	put(f, &thread, "000001-user.md", "x");
	advance_ms(f, 1000);
	int64_t time_ns = now_ns(f);
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&thread), "b", false, time_ns, &renamed), 0);
	assert_string_equal(renamed.id, "b");
	assert_true(renamed.gen == thread.gen && renamed.revision != thread.revision);
	assert_true(renamed.deadline_ms == thread.deadline_ms && renamed.ttl_ms == thread.ttl_ms);
	assert_true(renamed.mtime_ns == thread.mtime_ns && renamed.ctime_ns == time_ns);
	assert_true(renamed.last_turn == 1 && renamed.files == 1 && renamed.life == 0);
	assert_int_equal(store_thread_find(f->store, "a", &info), -ENOENT);
	assert_int_equal(store_thread_find(f->store, "b", &info), 0);
	assert_content(f, &renamed, "000001-user.md", "x");
	make_thread(f, "a");
}

static void test_W11__rename_onto_a_live_thread__as_rename_says(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b"), info;
	put(f, &b, "x", "x");
	struct thread_ref ref = ref_of(&a);
	int64_t time_ns = now_ns(f);
	assert_int_equal(store_thread_rename(f->store, ref, "b", false, time_ns, &info), -EEXIST);
	assert_int_equal(store_thread_rename(f->store, ref, "b", true, time_ns, &info), -ENOTEMPTY);
	assert_int_equal(try_remove(f, &b, "x", STORE_REVISION_ANY), 0);
	assert_int_equal(store_thread_rename(f->store, ref, "b", false, time_ns, &info), -EEXIST);
	assert_int_equal(store_thread_rename(f->store, ref, "b", true, time_ns, &info), 0);
	assert_int_equal(store_thread_stat(f->store, ref_of(&b), &b), -ENOENT);
	assert_threads(f, THREAD_LIVE, 10, "b ");
	assert_int_equal(store_thread_find(f->store, "b", &info), 0);
	assert_true(info.gen == a.gen);
}

static void test_W11__rename_to_its_own_name__succeeds(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), info;
	put(f, &a, "x", "x");
	assert_int_equal(store_thread_rename(f->store, ref_of(&a), "a", true, now_ns(f), &info), 0);
	assert_true(info.gen == a.gen && info.deadline_ms == a.deadline_ms && info.life == 0);
	assert_content(f, &a, "x", "x");
}

int contract_threads(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_W1__create__keeps_what_was_given),
		CONTRACT_TEST(test_W1__create_of_a_live_name__EEXIST),
		CONTRACT_TEST(test_N1__odd_names__are_kept_as_they_are),
		CONTRACT_TEST(test_T2__ttl_never__has_no_deadline),
		CONTRACT_TEST(test_W1__find_of_what_never_was__ENOENT),
		CONTRACT_TEST(test_B1__list__pages_in_order_of_gen),
		CONTRACT_TEST(test_W10__remove__only_without_files),
		CONTRACT_TEST(test_W10__remove__the_document_does_not_count),
		CONTRACT_TEST(test_W11__rename__keeps_everything_but_the_name),
		CONTRACT_TEST(test_W11__rename_onto_a_live_thread__as_rename_says),
		CONTRACT_TEST(test_W11__rename_to_its_own_name__succeeds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
