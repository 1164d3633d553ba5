/* The contract of restarts: everything is the same after close and open (R1). */
#include "contract.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_R1__reopen__threads_and_files_are_the_same(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b");
	struct blob *meta CLEAN_BLOB = blob_new("{\"k\": \"v\"}", 10);
	uint32_t number = 0;
	put(f, &a, "x", "attachment");
	assert_int_equal(try_append(f, &a, "user", "turn", STORE_DURABLE, &number), 0);
	struct change change = {.kind = CHANGE_PUT,
		.name = "x",
		.expect = STORE_REVISION_ANY,
		.set = SET_META | SET_MTIME,
		.meta = meta,
		.mtime_ns = -123456789};
	struct thread_change all = {.set = SET_DOC,
		.time_ns = 5,
		.doc = {.expect = STORE_REVISION_ANY, .text = meta, .flags = 2}};
	assert_int_equal(store_apply(f->store, ref_of(&a), &all, &change, 1, STORE_DURABLE, &a), 0);
	struct file_info before = stat_file(f, &a, "x");
	contract_reopen(f);
	struct thread_info found;
	assert_int_equal(store_thread_find(f->store, "a", &found), 0);
	assert_same_thread(&found, &a);
	found = stat_thread(f, &b);
	assert_same_thread(&found, &b);
	struct file_info after = stat_file(f, &a, "x");
	assert_true(after.ino == before.ino && after.revision == before.revision);
	assert_true(after.mtime_ns == -123456789 && after.ctime_ns == 5);
	assert_true(after.mode == before.mode && after.uid == before.uid);
	assert_string_equal(blob_data(after.meta), "{\"k\": \"v\"}");
	file_info_done(&after);
	file_info_done(&before);
	assert_content(f, &a, "x", "attachment");
	assert_content(f, &a, "000001-user.md", "turn");
	assert_names(f, &a, 10, "000001-user.md x ");
	struct blob *doc CLEAN_BLOB = NULL;
	uint64_t revision;
	assert_int_equal(store_doc_read(f->store, ref_of(&a), &doc, &revision), 0);
	assert_string_equal(blob_data(doc), "{\"k\": \"v\"}");
}

static void test_R1__reopen__what_was_not_durable_yet_is_there_too(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info thread = make_thread(f, "a");
	uint32_t number = 0;
	for (int i = 0; i < 50; i++)
		assert_int_equal(try_append(f, &thread, "user", "t", 0, &number), 0);
	contract_reopen(f);
	thread = stat_thread(f, &thread);
	assert_true(thread.turns == 50 && thread.last_turn == 50);
	assert_int_equal(try_append(f, &thread, "user", "t", 0, &number), 0);
	assert_int_equal(number, 51);
}

static void test_M5__reopen__numbers_and_revisions_still_never_repeat(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info thread = make_thread(f, "a");
	uint64_t revision = put(f, &thread, "x", "1"), number = reserve(f);
	assert_int_equal(try_remove(f, &thread, "x", STORE_REVISION_ANY), 0);
	uint64_t thread_revision = thread.revision;
	contract_reopen(f);
	assert_true(reserve(f) > number);
	uint64_t next = put(f, &thread, "x", "1");
	assert_true(next > revision && next != thread_revision);
	assert_true(thread.revision != thread_revision);
}

static void test_T10__reopen__deadlines_and_lives_are_kept(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info first = make_thread(f, "a"), info;
	advance_ms(f, HOUR_MS);
	struct thread_info second = make_thread(f, "a");
	contract_reopen(f);
	assert_threads(f, THREAD_LIVE, 10, "a ");
	assert_threads(f, THREAD_GRACE, 10, "a ");
	assert_int_equal(store_thread_find(f->store, "a", &info), 0);
	assert_true(info.gen == second.gen && info.deadline_ms == second.deadline_ms);
	assert_true(stat_thread(f, &first).deadline_ms == first.deadline_ms);
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_find(f->store, "a", &info), -ENOENT);
}

static void test_R1__reopen__root_and_ledger_are_kept_and_claims_are_not(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info thread = make_thread(f, "a");
	struct root_info set = {0700, 1, 2, 3, 4}, root;
	struct ledger_entry entry = {.id = "gone", .cause = LEDGER_DELETED, .detail = "d"};
	struct ledger_page page;
	assert_int_equal(store_root_set(f->store, &set), 0);
	assert_int_equal(store_ledger_add(f->store, &entry, 1), 0);
	assert_int_equal(store_claim(f->store, ref_of(&thread), "000001-user.md"), 0);
	contract_reopen(f);
	assert_int_equal(store_root_get(f->store, &root), 0);
	assert_same_root(&root, &set);
	assert_int_equal(store_ledger_list(f->store, 0, 10, &page), 0);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.items[0].id, "gone");
	ledger_page_done(&page);
	assert_names(f, &thread, 10, "");
	assert_int_equal(store_claim(f->store, ref_of(&thread), "000001-user.md"), 0);
}

static void test_S1__store_file__is_0600(void **state)
{
	struct fixture *f = *state;
	needs_file(f);
	struct stat st;
	assert_int_equal(stat(strchr(f->where, '/'), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_R2__open_without_create__ENOENT_with_a_sentence(void **state)
{
	struct fixture *f = *state;
	needs_file(f);
	struct store_options options = {.timeout_ms = 100};
	struct errtext error = {0};
	struct store *store = NULL;
	char where[600];
	snprintf(where, sizeof(where), "%s.not-there", f->where);
	assert_int_equal(store_open(where, &options, &store, &error), -ENOENT);
	assert_true(error.text[0] && !store);
}

/* In a child, for a lock of this very process may count as ours. */
static void test_F5__second_open__EBUSY_with_the_pid(void **state)
{
	struct fixture *f = *state;
	needs_file(f);
	pid_t first = getpid(), child = fork();
	if (child == 0) {
		struct store_options options = {.create = true, .timeout_ms = 100};
		struct errtext error = {0};
		struct store *store = NULL;
		char pid[16];
		snprintf(pid, sizeof(pid), "%d", (int)first);
		int r = store_open(f->where, &options, &store, &error);
		_exit(r != -EBUSY ? 1 : strstr(error.text, pid) ? 0 : 2);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_C2__peek__reads_beside_the_one_that_has_it(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct store_options options = {.peek = true,
		.read_only = true,
		.timeout_ms = 1000,
		.clock = &f->clock.clock,
		.server.prefix = f->prefix};
	struct errtext error = {0};
	struct store *store = NULL;
	struct thread_info thread = make_thread(f, "a"), found;
	put(f, &thread, "x", "1");
	assert_int_equal(store_sync(f->store), 0);
	if (contract_open(f, &options, &store, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(store_thread_find(store, "a", &found), 0);
	assert_same_thread(&found, &thread);
	found = thread;
	struct thread_change all = {.set = SET_MODE};
	assert_int_equal(store_apply(store, ref_of(&thread), &all, NULL, 0, 0, &found), -EROFS);
	store_close(store);
	put(f, &thread, "y", "1");
}

int contract_restart(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_R1__reopen__threads_and_files_are_the_same),
		CONTRACT_TEST(test_R1__reopen__what_was_not_durable_yet_is_there_too),
		CONTRACT_TEST(test_M5__reopen__numbers_and_revisions_still_never_repeat),
		CONTRACT_TEST(test_T10__reopen__deadlines_and_lives_are_kept),
		CONTRACT_TEST(test_R1__reopen__root_and_ledger_are_kept_and_claims_are_not),
		CONTRACT_TEST(test_S1__store_file__is_0600),
		CONTRACT_TEST(test_R2__open_without_create__ENOENT_with_a_sentence),
		CONTRACT_TEST(test_F5__second_open__EBUSY_with_the_pid),
		CONTRACT_TEST(test_C2__peek__reads_beside_the_one_that_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
