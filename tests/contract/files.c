/* The contract of files: put, read, list, remove, with the revisions they expect. */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_W3__put__is_read_back_whole(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint64_t before = thread.revision;
	uint64_t revision = put(f, &thread, "000001-user.md", "Grüße\n");
	struct file_info info = stat_file(f, &thread, "000001-user.md");
	assert_true(info.revision == revision && thread.revision != before);
	assert_true(revision != STORE_REVISION_NONE && revision != STORE_REVISION_ANY);
	assert_true(info.mode == 0640 && info.uid == 1000 && info.gid == 1001 && info.ino > 1);
	assert_true(info.mtime_ns == now_ns(f) && info.ctime_ns == now_ns(f));
	assert_null(info.meta);
	assert_true(thread.files == 1 && thread.turns == 1 && thread.last_turn == 1);
	assert_int_equal(thread.bytes, strlen("Grüße\n"));
	assert_content(f, &thread, "000001-user.md", "Grüße\n");
}

static void test_W3__put_of_one_MiB_with_NULs__is_exact(void **state)
{
	struct fixture *f = *state;
	enum { SIZE = 1024 * 1024 + 1 };
	struct thread_info thread = make_thread(f, "a");
	struct blob *content CLEAN_BLOB = NULL, *read CLEAN_BLOB = NULL;
	assert_int_equal(blob_resize(&content, SIZE), 0);
	for (size_t i = 0; i < SIZE; i += 3)
		content->data[i] = (char)(i * 31 >> 3);
	struct change change = {.kind = CHANGE_PUT,
		.name = "blob.bin",
		.expect = STORE_REVISION_NONE,
		.ino = reserve(f),
		.content = content};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, &change, 1, 0, &thread), 0);
	assert_int_equal(store_file_read(f->store, ref_of(&thread), "blob.bin", &read, NULL), 0);
	assert_int_equal(blob_size(read), SIZE);
	assert_memory_equal(read->data, content->data, SIZE);
}

/* The caller's blob is the caller's: changing it later, when it owns it, changes nothing stored. */
static void test_W3__content_changed_by_the_caller_afterwards__store_keeps_its_own(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct blob *content CLEAN_BLOB = blob_new("one", 3), *read CLEAN_BLOB = NULL;
	struct change change = {.kind = CHANGE_PUT,
		.name = "x",
		.ino = reserve(f),
		.expect = STORE_REVISION_ANY,
		.content = content};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, &change, 1, 0, &thread), 0);
	assert_int_equal(blob_write(&content, 0, "two", 3), 0);
	assert_content(f, &thread, "x", "one");
	assert_int_equal(store_file_read(f->store, ref_of(&thread), "x", &read, NULL), 0);
	assert_int_equal(blob_write(&read, 0, "two", 3), 0);
	assert_content(f, &thread, "x", "one");
}

static void test_W3__empty_file__has_an_empty_content(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct change change = {
		.kind = CHANGE_PUT, .name = "x", .ino = reserve(f), .expect = STORE_REVISION_NONE};
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, &change, 1, 0, &thread), 0);
	assert_content(f, &thread, "x", "");
}

static void test_W5__two_puts_expect_none__one_gets_EEXIST(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	assert_int_equal(
		try_put(f, &thread, "000007-user.md", STORE_REVISION_NONE, "1", 0, NULL), 0);
	assert_int_equal(
		try_put(f, &thread, "000007-user.md", STORE_REVISION_NONE, "2", 0, NULL), -EEXIST);
	assert_content(f, &thread, "000007-user.md", "1");
}

static void test_W8__put_with_an_old_revision__ESTALE_and_nothing_changes(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint64_t old = put(f, &thread, "x", "one"), revision = 99;
	uint64_t now = put(f, &thread, "x", "two");
	assert_true(old != now);
	struct thread_info before = thread;
	assert_int_equal(try_put(f, &thread, "x", old, "three", STORE_RENEW, &revision), -ESTALE);
	assert_int_equal(revision, 99);
	assert_content(f, &thread, "x", "two");
	thread = stat_thread(f, &thread);
	assert_same_thread(&thread, &before);
	assert_int_equal(try_put(f, &thread, "x", now, "three", 0, &revision), 0);
	assert_content(f, &thread, "x", "three");
}

static void test_W8__put_with_a_revision_of_what_is_gone__ESTALE(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint64_t revision = put(f, &thread, "x", "one");
	assert_int_equal(try_remove(f, &thread, "x", revision), 0);
	assert_int_equal(try_put(f, &thread, "x", revision, "two", 0, NULL), -ESTALE);
	assert_false(has_file(f, &thread, "x"));
}

static void test_W10__remove__expects_a_revision_too(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint64_t old = put(f, &thread, "x", "one");
	put(f, &thread, "x", "two");
	assert_int_equal(try_remove(f, &thread, "x", old), -ESTALE);
	assert_true(has_file(f, &thread, "x"));
	assert_int_equal(try_remove(f, &thread, "x", STORE_REVISION_ANY), 0);
	assert_false(has_file(f, &thread, "x"));
	assert_int_equal(try_remove(f, &thread, "x", STORE_REVISION_ANY), 0);
	assert_int_equal(try_remove(f, &thread, "x", old), -ESTALE);
	assert_int_equal(thread.files, 0);
	assert_int_equal(thread.bytes, 0);
}

static void test_W10__removed_turn__leaves_a_gap_and_last_turn(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	put(f, &thread, "000001-user.md", "1");
	put(f, &thread, "000005-user.md", "5");
	assert_int_equal(try_remove(f, &thread, "000005-user.md", STORE_REVISION_ANY), 0);
	assert_true(thread.last_turn == 5 && thread.turns == 1);
	assert_int_equal(try_append(f, &thread, "assistant", "6", 0, &number), 0);
	assert_int_equal(number, 6);
	assert_names(f, &thread, 10, "000001-user.md 000006-assistant.md ");
}

static void test_M4__put__sets_what_set_names_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "x", "one");
	struct file_info before = stat_file(f, &thread, "x");
	struct blob *meta CLEAN_BLOB = blob_new("{\"a\": 1}", 8);
	struct change change = {.kind = CHANGE_PUT,
		.name = "x",
		.expect = before.revision,
		.set = SET_MODE | SET_META,
		.ino = 4711,
		.mode = 0600,
		.uid = 5,
		.mtime_ns = 6,
		.meta = meta};
	struct thread_change all = {.time_ns = now_ns(f) + 5};
	struct thread_ref ref = ref_of(&thread);
	assert_int_equal(store_apply(f->store, ref, &all, &change, 1, 0, &thread), 0);
	struct file_info after = stat_file(f, &thread, "x");
	assert_true(after.revision != before.revision && after.revision == change.ret_revision);
	assert_true(after.ino == before.ino && after.mode == 0600 && after.uid == before.uid);
	assert_true(after.mtime_ns == before.mtime_ns && after.ctime_ns == now_ns(f) + 5);
	assert_string_equal(blob_data(after.meta), "{\"a\": 1}");
	file_info_done(&after);
	assert_content(f, &thread, "x", "one");

	change = (struct change){.kind = CHANGE_PUT,
		.name = "x",
		.expect = STORE_REVISION_ANY,
		.set = SET_META | SET_OWNER | SET_MTIME | SET_CONTENT,
		.uid = 5,
		.gid = 6,
		.mtime_ns = -7};
	assert_int_equal(store_apply(f->store, ref, &all, &change, 1, 0, &thread), 0);
	after = stat_file(f, &thread, "x");
	assert_null(after.meta);
	assert_true(after.uid == 5 && after.gid == 6 && after.mtime_ns == -7 && after.size == 0);
	assert_int_equal(after.mode, 0600);
}

static void test_M2__thread_attributes__change_in_the_same_step(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a"), before = thread;
	struct thread_change all = {.set = SET_MODE | SET_OWNER | SET_MTIME | SET_CREATED,
		.time_ns = 99,
		.mode = 02700,
		.uid = 3,
		.gid = 4,
		.mtime_ns = 5,
		.created_ns = 6};
	assert_int_equal(store_apply(f->store, ref_of(&thread), &all, NULL, 0, 0, &thread), 0);
	assert_true(thread.mode == 02700 && thread.uid == 3 && thread.gid == 4);
	assert_true(thread.mtime_ns == 5 && thread.created_ns == 6 && thread.ctime_ns == 99);
	assert_true(thread.revision != before.revision && thread.ttl_ms == before.ttl_ms);
	assert_true(thread.deadline_ms == before.deadline_ms);
	all = (struct thread_change){.set = 0, .time_ns = 100, .mode = 1, .mtime_ns = 1};
	assert_int_equal(store_apply(f->store, ref_of(&thread), &all, NULL, 0, 0, &thread), 0);
	assert_true(thread.mode == 02700 && thread.mtime_ns == 5 && thread.ctime_ns == 100);
}

static void test_N2__put_of_a_number_that_is_used__EEXIST(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "000003-user.md", "u");
	put(f, &thread, "000003-USER.md", "an attachment");
	assert_int_equal(
		try_put(f, &thread, "000003-assistant.md", STORE_REVISION_NONE, "x", 0, NULL),
		-EEXIST);
	assert_int_equal(
		try_put(f, &thread, "000003-assistant.md", STORE_REVISION_ANY, "x", 0, NULL),
		-EEXIST);
	assert_names(f, &thread, 10, "000003-USER.md 000003-user.md ");
	assert_true(thread.turns == 1 && thread.files == 2);
}

static void test_N2__turn_stat__finds_by_number(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct file_info info;
	put(f, &thread, "000003-user.md", "u");
	put(f, &thread, "000004-USER.md", "no turn");
	put(f, &thread, "999999-tool.md", "last");
	assert_int_equal(store_turn_stat(f->store, ref_of(&thread), 3, &info), 0);
	assert_string_equal(info.name, "000003-user.md");
	file_info_done(&info);
	assert_int_equal(store_turn_stat(f->store, ref_of(&thread), 4, &info), -ENOENT);
	assert_int_equal(store_turn_stat(f->store, ref_of(&thread), 999999, &info), 0);
	file_info_done(&info);
}

static void test_W7__apply_with_a_failing_last_change__nothing_of_it_happened(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	put(f, &thread, "keep", "k");
	put(f, &thread, "drop", "d");
	put(f, &thread, "from", "f");
	struct thread_info before = thread;
	struct blob *text CLEAN_BLOB = blob_new("new", 3);
	struct change changes[] = {
		{.kind = CHANGE_PUT,
			.name = "keep",
			.expect = STORE_REVISION_ANY,
			.set = SET_CONTENT,
			.content = text,
			.ret_revision = 1},
		{.kind = CHANGE_PUT,
			.name = "000009-user.md",
			.expect = STORE_REVISION_NONE,
			.ino = reserve(f),
			.content = text,
			.ret_revision = 1},
		{.kind = CHANGE_REMOVE, .name = "drop", .expect = STORE_REVISION_ANY},
		{.kind = CHANGE_RENAME,
			.name = "from",
			.expect = STORE_REVISION_ANY,
			.to = "to",
			.to_expect = STORE_REVISION_ANY,
			.ret_revision = 1},
		{.kind = CHANGE_PUT, .name = "keep", .expect = STORE_REVISION_NONE},
	};
	struct thread_change all = {.set = SET_MODE | SET_TTL | SET_DOC,
		.mode = 0,
		.ttl_ms = 1,
		.doc = {.expect = STORE_REVISION_ANY, .text = text}};
	assert_int_equal(
		store_apply(f->store, ref_of(&thread), &all, changes, 5, STORE_RENEW, &thread),
		-EEXIST);
	for (int i = 0; i < 4; i++)
		assert_true(changes[i].ret_revision == 1 || changes[i].kind == CHANGE_REMOVE);
	thread = stat_thread(f, &thread);
	assert_same_thread(&thread, &before);
	assert_names(f, &thread, 10, "drop from keep ");
	assert_content(f, &thread, "keep", "k");
	struct blob *doc = NULL;
	uint64_t revision;
	assert_int_equal(store_doc_read(f->store, ref_of(&thread), &doc, &revision), 0);
	assert_null(doc);

	assert_int_equal(store_apply(f->store, ref_of(&thread), &all, changes, 4, 0, &thread), 0);
	assert_names(f, &thread, 10, "000009-user.md keep to ");
	for (int i = 0; i < 4; i++)
		assert_true(changes[i].ret_revision > 1 || changes[i].kind == CHANGE_REMOVE);
}

static void test_B1__file_list__300_files_in_pages(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	char names[16384] = "", name[32];
	struct change *changes = calloc(300, sizeof(*changes));
	struct blob *text CLEAN_BLOB = blob_new("text", 4);
	assert_non_null(changes);
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "%06u-user.md", i + 1);
		strcat(strcat(names, name), " ");
		changes[i] = (struct change){.kind = CHANGE_PUT,
			.name = strdup(name),
			.ino = reserve(f),
			.content = text};
	}
	assert_int_equal(store_apply(f->store, ref_of(&thread), NULL, changes, 300, 0, &thread), 0);
	assert_true(thread.files == 300 && thread.turns == 300 && thread.last_turn == 300);
	assert_int_equal(thread.bytes, 1200);
	assert_names(f, &thread, 1, names);
	assert_names(f, &thread, 64, names);
	assert_names(f, &thread, 300, names);
	assert_names(f, &thread, 1000, names);
	for (size_t i = 0; i < 300; i++)
		free((char *)changes[i].name);
	free(changes);
}

static void test_B1__file_list_with_contents__each_with_its_own(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct file_page page;
	put(f, &thread, "b", "bb");
	put(f, &thread, "a", "");
	put(f, &thread, "c", "cccc");
	assert_int_equal(store_file_list(f->store, ref_of(&thread), "", 2, true, &page), 0);
	assert_true(page.count == 2 && page.more);
	assert_string_equal(page.items[1].name, "b");
	assert_string_equal(blob_data(page.contents[1]), "bb");
	assert_int_equal(blob_size(page.contents[0]), 0);
	file_page_done(&page);
	assert_int_equal(store_file_list(f->store, ref_of(&thread), "bzzz", 2, true, &page), 0);
	assert_true(page.count == 1 && !page.more);
	assert_string_equal(blob_data(page.contents[0]), "cccc");
	file_page_done(&page);
}

static void test_W3__what_is_not_there__ENOENT_and_outputs_untouched(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	struct thread_ref ref = ref_of(&thread), nobody = {.id = "z", .gen = 424242};
	struct blob *blob = NULL;
	struct file_info info = {.size = 77};
	struct file_page page = {.count = 77};
	assert_int_equal(store_file_stat(f->store, ref, "x", &info), -ENOENT);
	assert_int_equal(store_file_read(f->store, ref, "x", &blob, &info), -ENOENT);
	assert_int_equal(store_turn_stat(f->store, ref, 1, &info), -ENOENT);
	assert_int_equal(store_file_stat(f->store, nobody, "x", &info), -ENOENT);
	assert_int_equal(store_file_list(f->store, nobody, "", 10, true, &page), -ENOENT);
	assert_int_equal(store_apply(f->store, nobody, NULL, NULL, 0, 0, &thread), -ENOENT);
	assert_true(info.size == 77 && page.count == 77 && blob == NULL);
}

static void test_M5__revisions_never_repeat(void **state)
{
	struct fixture *f = *state;
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b");
	uint64_t seen[40];
	for (size_t i = 0; i < 40; i += 2) {
		seen[i] = put(f, &a, "x", "same");
		seen[i + 1] = put(f, &b, "x", "same");
		if (i % 6 == 0)
			assert_int_equal(try_remove(f, &a, "x", STORE_REVISION_ANY), 0);
	}
	for (size_t i = 0; i < 40; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
}

int contract_files(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_W3__put__is_read_back_whole),
		CONTRACT_TEST(test_W3__put_of_one_MiB_with_NULs__is_exact),
		CONTRACT_TEST(
			test_W3__content_changed_by_the_caller_afterwards__store_keeps_its_own),
		CONTRACT_TEST(test_W3__empty_file__has_an_empty_content),
		CONTRACT_TEST(test_W5__two_puts_expect_none__one_gets_EEXIST),
		CONTRACT_TEST(test_W8__put_with_an_old_revision__ESTALE_and_nothing_changes),
		CONTRACT_TEST(test_W8__put_with_a_revision_of_what_is_gone__ESTALE),
		CONTRACT_TEST(test_W10__remove__expects_a_revision_too),
		CONTRACT_TEST(test_W10__removed_turn__leaves_a_gap_and_last_turn),
		CONTRACT_TEST(test_M4__put__sets_what_set_names_and_no_more),
		CONTRACT_TEST(test_M2__thread_attributes__change_in_the_same_step),
		CONTRACT_TEST(test_N2__put_of_a_number_that_is_used__EEXIST),
		CONTRACT_TEST(test_N2__turn_stat__finds_by_number),
		CONTRACT_TEST(test_W7__apply_with_a_failing_last_change__nothing_of_it_happened),
		CONTRACT_TEST(test_B1__file_list__300_files_in_pages),
		CONTRACT_TEST(test_B1__file_list_with_contents__each_with_its_own),
		CONTRACT_TEST(test_W3__what_is_not_there__ENOENT_and_outputs_untouched),
		CONTRACT_TEST(test_M5__revisions_never_repeat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
