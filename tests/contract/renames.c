/* The contract of renaming files within a thread, and of moving them between two. */
#include "contract.h"

#include <string.h>

static void test_W11__rename_of_a_file__keeps_inode_and_attributes(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, ".x.swp", "text");
	struct file_info before = stat_file(f, &thread, ".x.swp");
	assert_int_equal(try_rename(f, &thread, ".x.swp", before.revision, "000004-user.md",
				 STORE_REVISION_NONE),
		0);
	struct file_info after = stat_file(f, &thread, "000004-user.md");
	assert_true(after.ino == before.ino && after.revision != before.revision);
	assert_true(after.mtime_ns == before.mtime_ns && after.mode == before.mode);
	assert_true(thread.last_turn == 4 && thread.turns == 1 && thread.files == 1);
	assert_content(f, &thread, "000004-user.md", "text");
	assert_false(has_file(f, &thread, ".x.swp"));
}

static void test_W11__rename_over_a_file__replaces_it(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "old", "old text");
	uint64_t target = put(f, &thread, "to", "x");
	assert_int_equal(
		try_rename(f, &thread, "old", STORE_REVISION_ANY, "to", STORE_REVISION_NONE),
		-EEXIST);
	assert_int_equal(
		try_rename(f, &thread, "old", STORE_REVISION_ANY, "to", target + 1000), -ESTALE);
	assert_int_equal(try_rename(f, &thread, "old", target, "to", target), -ESTALE);
	assert_names(f, &thread, 10, "old to ");
	assert_int_equal(try_rename(f, &thread, "old", STORE_REVISION_ANY, "to", target), 0);
	assert_names(f, &thread, 10, "to ");
	assert_content(f, &thread, "to", "old text");
	assert_int_equal(thread.bytes, strlen("old text"));
}

static void test_W11__rename_of_what_is_not_there__ENOENT(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(
		try_rename(f, &thread, "x", STORE_REVISION_ANY, "y", STORE_REVISION_ANY), -ENOENT);
}

static void test_N2__rename_to_another_role__is_allowed(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "000001-user.md", "x");
	assert_int_equal(try_rename(f, &thread, "000001-user.md", STORE_REVISION_ANY,
				 "000001-system.md", STORE_REVISION_NONE),
		0);
	assert_names(f, &thread, 10, "000001-system.md ");
}

static void test_N2__rename_onto_a_number_that_is_used__EEXIST(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "000001-user.md", "1");
	put(f, &thread, "000002-user.md", "2");
	put(f, &thread, "draft", "3");
	assert_int_equal(try_rename(f, &thread, "000002-user.md", STORE_REVISION_ANY,
				 "000001-tool.md", STORE_REVISION_ANY),
		-EEXIST);
	assert_int_equal(try_rename(f, &thread, "draft", STORE_REVISION_ANY, "000001-tool.md",
				 STORE_REVISION_ANY),
		-EEXIST);
	assert_names(f, &thread, 10, "000001-user.md 000002-user.md draft ");
}

static void test_N2__number_passed_on_within_one_step__is_allowed(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "000001-user.md", "old");
	put(f, &thread, "draft", "new");
	struct change changes[] = {
		{.kind = CHANGE_RENAME,
			.name = "draft",
			.expect = STORE_REVISION_ANY,
			.to = "000001-tool.md",
			.to_expect = STORE_REVISION_NONE},
		{.kind = CHANGE_REMOVE, .name = "000001-user.md", .expect = STORE_REVISION_ANY},
	};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, changes, 2, 0, &thread), 0);
	assert_names(f, &thread, 10, "000001-tool.md ");
	assert_content(f, &thread, "000001-tool.md", "new");
}

static void test_M6__rename_onto_its_own_name__sets_what_set_names(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint64_t revision = put(f, &thread, "x", "text");
	struct change change = {.kind = CHANGE_RENAME,
		.name = "x",
		.expect = revision,
		.to = "x",
		.to_expect = STORE_REVISION_NONE,
		.set = SET_MODE | SET_MTIME,
		.mode = 0400,
		.mtime_ns = 42};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, &change, 1, 0, &thread), 0);
	struct file_info info = stat_file(f, &thread, "x");
	assert_true(info.mode == 0400 && info.mtime_ns == 42);
	assert_content(f, &thread, "x", "text");
	assert_int_equal(thread.files, 1);
}

/* An editor's save: write a new file, move the old one away, put the new one in its place. */
static void test_M6__rename_with_meta__moves_it_in_the_same_step(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct blob *meta CLEAN_BLOB = blob_new("{}", 2);
	put(f, &thread, "000001-user.md", "old");
	put(f, &thread, "tmp", "new");
	struct change changes[] = {
		{.kind = CHANGE_RENAME,
			.name = "000001-user.md",
			.expect = STORE_REVISION_ANY,
			.to = "000001-user.md~",
			.to_expect = STORE_REVISION_ANY},
		{.kind = CHANGE_RENAME,
			.name = "tmp",
			.expect = STORE_REVISION_ANY,
			.to = "000001-user.md",
			.to_expect = STORE_REVISION_NONE,
			.set = SET_META,
			.meta = meta},
	};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, changes, 2, 0, &thread), 0);
	struct file_info info = stat_file(f, &thread, "000001-user.md");
	assert_string_equal(blob_data(info.meta), "{}");
	assert_true(info.revision == changes[1].ret_revision);
	file_info_done(&info);
	assert_content(f, &thread, "000001-user.md", "new");
	assert_content(f, &thread, "000001-user.md~", "old");
}

static int try_move(struct fixture *f, struct thread_info *from, struct thread_info *to,
	const char *name, const char *new_name, uint64_t to_expect)
{
	struct change change = {.kind = CHANGE_RENAME,
		.name = name,
		.to = new_name,
		.expect = STORE_REVISION_ANY,
		.to_expect = to_expect};
	struct thread_change all = {.time_ns = now_ns(f) + 9};
	return store_move(
		f->store, ref_of(from), ref_of(to), &change, &all, &all, STORE_RENEW, from, to);
}

static void test_W11__move__is_one_step_in_both_threads(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b");
	put(f, &a, "000001-user.md", "text");
	struct file_info before = stat_file(f, &a, "000001-user.md");
	uint64_t revision_a = a.revision, revision_b = b.revision;
	int r = try_move(f, &a, &b, "000001-user.md", "000003-user.md", STORE_REVISION_NONE);
	if (r == -EXDEV)
		skip();
	assert_int_equal(r, 0);
	assert_true(a.revision != revision_a && b.revision != revision_b);
	assert_true(a.files == 0 && a.turns == 0 && a.last_turn == 1 && a.bytes == 0);
	assert_true(b.files == 1 && b.turns == 1 && b.last_turn == 3 && b.bytes == 4);
	assert_true(a.ctime_ns == now_ns(f) + 9 && b.ctime_ns == now_ns(f) + 9);
	struct file_info after = stat_file(f, &b, "000003-user.md");
	assert_true(after.ino == before.ino && after.revision != before.revision);
	assert_false(has_file(f, &a, "000001-user.md"));
	assert_content(f, &b, "000003-user.md", "text");
}

static void test_W11__move_that_fails__changes_neither(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b");
	put(f, &a, "000001-user.md", "text");
	put(f, &b, "000001-user.md", "other");
	struct thread_info a_before = a, b_before = b;
	int r = try_move(f, &a, &b, "000001-user.md", "000001-user.md", STORE_REVISION_NONE);
	if (r == -EXDEV)
		skip();
	assert_int_equal(r, -EEXIST);
	assert_int_equal(
		try_move(f, &a, &b, "000001-user.md", "000001-tool.md", STORE_REVISION_NONE),
		-EEXIST);
	assert_int_equal(try_move(f, &a, &b, "not there", "x", STORE_REVISION_NONE), -ENOENT);
	a = stat_thread(f, &a);
	b = stat_thread(f, &b);
	assert_same_thread(&a, &a_before);
	assert_same_thread(&b, &b_before);
	assert_content(f, &a, "000001-user.md", "text");
	assert_content(f, &b, "000001-user.md", "other");
}

static void test_T1__move_out_of_or_into_an_expired_thread__ENOENT(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), b;
	put(f, &a, "x", "text");
	advance_ms(f, HOUR_MS);
	b = make_thread(f, "b");
	put(f, &b, "y", "text");
	assert_int_equal(try_move(f, &a, &b, "x", "x", STORE_REVISION_ANY), -ENOENT);
	assert_int_equal(try_move(f, &b, &a, "y", "y", STORE_REVISION_ANY), -ENOENT);
}

int contract_renames(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_W11__rename_of_a_file__keeps_inode_and_attributes),
		CONTRACT_TEST(test_W11__rename_over_a_file__replaces_it),
		CONTRACT_TEST(test_W11__rename_of_what_is_not_there__ENOENT),
		CONTRACT_TEST(test_N2__rename_to_another_role__is_allowed),
		CONTRACT_TEST(test_N2__rename_onto_a_number_that_is_used__EEXIST),
		CONTRACT_TEST(test_N2__number_passed_on_within_one_step__is_allowed),
		CONTRACT_TEST(test_M6__rename_onto_its_own_name__sets_what_set_names),
		CONTRACT_TEST(test_M6__rename_with_meta__moves_it_in_the_same_step),
		CONTRACT_TEST(test_W11__move__is_one_step_in_both_threads),
		CONTRACT_TEST(test_W11__move_that_fails__changes_neither),
		CONTRACT_TEST(test_T1__move_out_of_or_into_an_expired_thread__ENOENT),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
