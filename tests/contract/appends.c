/* The contract of append: the store picks the numbers. */
#include "contract.h"

#include <string.h>

static void test_W6__append__numbers_from_one_on(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	assert_int_equal(try_append(f, &thread, "user", "hi", STORE_DURABLE, &number), 0);
	assert_int_equal(number, 1);
	assert_int_equal(try_append(f, &thread, "assistant", "", 0, &number), 0);
	assert_int_equal(number, 2);
	assert_names(f, &thread, 10, "000001-user.md 000002-assistant.md ");
	assert_content(f, &thread, "000001-user.md", "hi");
	assert_content(f, &thread, "000002-assistant.md", "");
	thread = stat_thread(f, &thread);
	assert_true(thread.last_turn == 2 && thread.turns == 2 && thread.bytes == 2);
}

static void test_W6__append_after_the_highest_number_ever(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	put(f, &thread, "000041-user.md", "x");
	assert_int_equal(try_rename(f, &thread, "000041-user.md", STORE_REVISION_ANY, "note",
				 STORE_REVISION_ANY),
		0);
	assert_int_equal(try_append(f, &thread, "tool", "x", 0, &number), 0);
	assert_int_equal(number, 42);
}

static void test_W7__append_of_several__is_one_step_with_all_attributes(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct blob *text CLEAN_BLOB = blob_new("a\0b", 3), *meta CLEAN_BLOB = blob_new("{}", 2);
	struct turn_new turns[] = {
		{.role = "user",
			.ino = reserve(f),
			.mode = 0604,
			.uid = 1,
			.gid = 2,
			.mtime_ns = -5,
			.meta = meta,
			.content = text},
		{.role = "tool", .ino = reserve(f)},
	};
	struct thread_change all = {.set = SET_MTIME, .time_ns = 77, .mtime_ns = 78};
	uint32_t first = 0;
	assert_int_equal(store_append(f->store, ref_of(&thread), &all, turns, 2,
				 STORE_DURABLE | STORE_RENEW, &thread, &first),
		0);
	assert_true(first == 1 && thread.turns == 2 && thread.ctime_ns == 77);
	assert_true(thread.mtime_ns == 78 && thread.bytes == 3);
	struct file_info info = stat_file(f, &thread, "000001-user.md");
	assert_true(info.ino == turns[0].ino && info.mode == 0604 && info.uid == 1);
	assert_true(info.gid == 2 && info.mtime_ns == -5 && info.ctime_ns == 77);
	assert_true(info.revision == turns[0].ret_revision && info.size == 3);
	assert_true(turns[0].ret_revision != turns[1].ret_revision);
	assert_string_equal(blob_data(info.meta), "{}");
	file_info_done(&info);
	assert_content(f, &thread, "000002-tool.md", "");
}

static void test_W7__append_with_a_document_refused__appends_nothing(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), before = thread;
	struct blob *text CLEAN_BLOB = blob_new("x", 1);
	struct turn_new turn = {.role = "user", .ino = reserve(f), .content = text};
	struct thread_change all = {.set = SET_DOC, .doc = {.expect = 987654, .text = text}};
	uint32_t first = 9;
	assert_int_equal(
		store_append(f->store, ref_of(&thread), &all, &turn, 1, 0, &thread, &first),
		-ESTALE);
	assert_int_equal(first, 9);
	thread = stat_thread(f, &thread);
	assert_same_thread(&thread, &before);
	assert_names(f, &thread, 10, "");
}

static void test_W9__append_past_999999__EDQUOT(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	put(f, &thread, "999998-user.md", "x");
	struct blob *text CLEAN_BLOB = blob_new("x", 1);
	struct turn_new turns[] = {
		{.role = "user", .ino = reserve(f), .content = text},
		{.role = "user", .ino = reserve(f), .content = text},
	};
	assert_int_equal(
		store_append(f->store, ref_of(&thread), NULL, turns, 2, 0, &thread, &number),
		-EDQUOT);
	assert_names(f, &thread, 10, "999998-user.md ");
	assert_int_equal(try_append(f, &thread, "user", "last", 0, &number), 0);
	assert_int_equal(number, 999999);
	assert_int_equal(try_append(f, &thread, "user", "one more", 0, &number), -EDQUOT);
	assert_int_equal(number, 999999);
}

static void test_W5__claim__of_what_is_there_EEXIST_and_shows_to_nobody(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct thread_ref ref = ref_of(&thread), nobody = {.id = "z", .gen = 424242};
	put(f, &thread, "000001-user.md", "x");
	assert_int_equal(store_claim(f->store, ref, "000001-user.md"), -EEXIST);
	assert_int_equal(store_claim(f->store, ref, "000001-tool.md"), -EEXIST);
	assert_int_equal(store_claim(f->store, nobody, "x"), -ENOENT);
	assert_int_equal(store_claim(f->store, ref, "000002-user.md"), 0);
	assert_names(f, &thread, 10, "000001-user.md ");
	assert_false(has_file(f, &thread, "000002-user.md"));
	assert_int_equal(
		try_put(f, &thread, "000002-user.md", STORE_REVISION_NONE, "y", 0, NULL), 0);
	store_unclaim(f->store, ref, "000002-user.md");
	assert_content(f, &thread, "000002-user.md", "y");
	assert_int_equal(store_claim(f->store, ref, "other"), 0);
	store_unclaim(f->store, ref, "other");
	assert_int_equal(store_claim(f->store, ref, "other"), 0);
	store_unclaim(f->store, ref, "other");
	assert_int_equal(store_claim(f->store, ref, "000002-user.md"), -EEXIST);
}

int contract_appends(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_W6__append__numbers_from_one_on),
		CONTRACT_TEST(test_W6__append_after_the_highest_number_ever),
		CONTRACT_TEST(test_W7__append_of_several__is_one_step_with_all_attributes),
		CONTRACT_TEST(test_W7__append_with_a_document_refused__appends_nothing),
		CONTRACT_TEST(test_W9__append_past_999999__EDQUOT),
		CONTRACT_TEST(test_W5__claim__of_what_is_there_EEXIST_and_shows_to_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
