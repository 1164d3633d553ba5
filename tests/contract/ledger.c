/*
 * The contract of the ledger's lines: what a step does to a thread's being there, it tells in the
 * same step.
 */
#include "contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 16 };

static struct ledger_page lines_of(struct fixture *f)
{
	struct ledger_page page;
	assert_int_equal(store_ledger_list(f->store, 0, LINES_MAX, &page), 0);
	assert_false(page.more);
	return page;
}

/* "CAUSE ID DETAIL" of each line, with a newline behind each. */
static void assert_ledger(struct fixture *f, const char *expected)
{
	static const char *const words[] = {[LEDGER_EXPIRED] = "expired",
		[LEDGER_DELETED] = "deleted",
		[LEDGER_RENAMED] = "renamed",
		[LEDGER_RESTORED] = "restored",
		[LEDGER_PURGED] = "purged",
		[LEDGER_LOST] = "lost",
		[LEDGER_BEGAN] = "began"};
	struct ledger_page page = lines_of(f);
	char seen[4096] = "";
	for (size_t i = 0; i < page.count; i++) {
		size_t at = strlen(seen);
		snprintf(seen + at, sizeof(seen) - at, "%s %s %s\n", words[page.items[i].cause],
			page.items[i].id, page.items[i].detail);
	}
	ledger_page_done(&page);
	assert_string_equal(seen, expected);
}

/* The line at that place, of that thread, entered now. */
static struct ledger_entry line_at(
	struct fixture *f, size_t place, const struct thread_info *thread)
{
	struct ledger_page page = lines_of(f);
	assert_true(place < page.count);
	struct ledger_entry line = page.items[place];
	for (size_t i = 1; i < page.count; i++)
		assert_true(page.items[i].seq > page.items[i - 1].seq);
	ledger_page_done(&page);
	assert_true(line.gen == thread->gen && line.time_ms == store_now_ms(f->store));
	assert_true(line.ttl_ms == thread->ttl_ms);
	return line;
}

/* A thread that had two turns, of which one is there. */
static struct thread_info used_thread(struct fixture *f, const char *id)
{
	struct thread_info thread = make_thread(f, id);
	put(f, &thread, "000001-user.md", "1");
	put(f, &thread, "000002-user.md", "2");
	assert_int_equal(try_remove(f, &thread, "000001-user.md", STORE_REVISION_ANY), 0);
	return thread;
}

static void test_R4__remove__enters_it_in_the_same_step(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), was = {0};
	assert_int_equal(
		store_thread_remove(f->store, ref_of(&thread), now_ns(f), &was), -ENOTEMPTY);
	assert_true(was.gen == 0);
	assert_ledger(f, "");
	assert_int_equal(try_remove(f, &thread, "000002-user.md", STORE_REVISION_ANY), 0);
	advance_ms(f, 5000);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), &was), 0);
	assert_same_thread(&was, &thread);
	assert_ledger(f, "deleted a \n");
	struct ledger_entry line = line_at(f, 0, &thread);
	assert_int_equal(line.turns, 2); /* what it once had */
	assert_true(line.deadline_ms == thread.deadline_ms);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), -ENOENT);
	assert_ledger(f, "deleted a \n");
}

static void test_R4__remove_of_one_that_never_expires__its_line_says_so(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread;
	assert_int_equal(try_thread(f, "a", STORE_TTL_NEVER, &thread), 0);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), 0);
	struct ledger_entry line = line_at(f, 0, &thread);
	assert_true(line.deadline_ms == STORE_DEADLINE_NEVER);
}

static void test_R4__remove_of_an_expired_one__enters_nothing(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = make_thread(f, "a");
	advance_ms(f, HOUR_MS);
	assert_int_equal(store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), -ENOENT);
	assert_ledger(f, "");
}

static void test_R4__rename__enters_it_in_the_same_step(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), other = make_thread(f, "c");
	advance_ms(f, 5000);
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&thread), "c", false, 5, &thread), -EEXIST);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "a", false, 5, &thread), 0);
	assert_ledger(f, "");
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&thread), "b c", false, 5, &thread), 0);
	assert_ledger(f, "renamed a b c\n");
	struct ledger_entry line = line_at(f, 0, &thread);
	assert_true(line.turns == 1 && line.deadline_ms == thread.deadline_ms);
	put(f, &other, "x", "1");
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&thread), "c", true, 5, &thread), -ENOTEMPTY);
	assert_ledger(f, "renamed a b c\n");
}

static void test_R4__rename_over_an_empty_one__enters_both(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), other = used_thread(f, "b");
	assert_int_equal(try_remove(f, &other, "000002-user.md", STORE_REVISION_ANY), 0);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", true, 5, &thread), 0);
	assert_ledger(f, "deleted b " LEDGER_REPLACED "\nrenamed a b\n");
	assert_int_equal(line_at(f, 0, &other).turns, 2);
	line_at(f, 1, &thread);
}

static void enter_expired(struct fixture *f, const struct thread_info *thread)
{
	struct ledger_entry line = {
		.time_ms = store_now_ms(f->store),
		.gen = thread->gen,
		.cause = LEDGER_EXPIRED,
		.ttl_ms = thread->ttl_ms,
		.deadline_ms = thread->deadline_ms,
		.turns = thread->turns,
	};
	snprintf(line.id, sizeof(line.id), "%s", thread->id);
	assert_int_equal(store_ledger_add(f->store, &line, 1), 0);
}

/* Whoever saw it expire may have been killed before it could say so. */
static void test_R4__restore__enters_it_and_that_it_had_expired(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), was = thread;
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 5, &thread), 0);
	assert_ledger(f, "expired a \nrestored a b\n");
	assert_true(line_at(f, 0, &was).deadline_ms == was.deadline_ms);
	struct ledger_entry line = line_at(f, 1, &thread);
	assert_true(line.deadline_ms == thread.deadline_ms && line.turns == 1);
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 5, &thread), 0);
	assert_ledger(f, "expired a \nrestored a b\nexpired b \nrestored b b\n");
}

static void test_R4__restore_of_one_that_was_told_to_expire__enters_it_alone(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a");
	advance_ms(f, 2 * HOUR_MS);
	enter_expired(f, &thread);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "b", false, 5, &thread), 0);
	assert_ledger(f, "expired a \nrestored a b\n");
}

static void test_R4__restore_over_an_empty_one__enters_all_three(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a");
	advance_ms(f, 2 * HOUR_MS);
	make_thread(f, "a");
	assert_int_equal(
		store_thread_rename(f->store, ref_of(&thread), "a", false, 5, &thread), -EEXIST);
	assert_ledger(f, "");
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "a", true, 5, &thread), 0);
	assert_ledger(f, "deleted a " LEDGER_REPLACED "\nexpired a \nrestored a a\n");
}

static void test_R4__revived_by_a_change__enters_it_and_that_it_had_expired(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), was = thread;
	uint32_t number = 0;
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(try_put(f, &thread, "x", STORE_REVISION_ANY, "1", STORE_REVIVE, NULL), 0);
	assert_ledger(f, "expired a \nrestored a a\n");
	struct ledger_entry line = line_at(f, 0, &was);
	assert_true(line.deadline_ms == was.deadline_ms && line.turns == was.turns);
	assert_true(line_at(f, 1, &thread).deadline_ms == thread.deadline_ms);
	advance_ms(f, 2 * HOUR_MS);
	enter_expired(f, &thread);
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_REVIVE, &number), 0);
	assert_ledger(f, "expired a \nrestored a a\nexpired a \nrestored a a\n");
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_REVIVE, &number), 0);
	assert_ledger(f, "expired a \nrestored a a\nexpired a \nrestored a a\n");
}

static void test_R4__changed_where_it_lies__enters_nothing(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a");
	uint32_t number = 0;
	advance_ms(f, 2 * HOUR_MS);
	make_thread(f, "a");
	assert_int_equal(try_append(f, &thread, "user", "t", STORE_REVIVE, &number), 0);
	assert_int_equal(try_put(f, &thread, "x", STORE_REVISION_ANY, "1", STORE_REVIVE, NULL), 0);
	assert_ledger(f, "");
}

/* A mount that saw it expire comes late with its line. */
static void test_R4__expiry_of_one_that_has_come_back__is_not_entered_again(void **state)
{
	struct fixture *f = *state;
	struct thread_info thread = used_thread(f, "a"), was = thread;
	advance_ms(f, 2 * HOUR_MS);
	assert_int_equal(store_thread_rename(f->store, ref_of(&thread), "a", false, 5, &thread), 0);
	enter_expired(f, &was);
	assert_ledger(f, "expired a \nrestored a a\n");
	advance_ms(f, 2 * HOUR_MS);
	enter_expired(f, &thread);
	enter_expired(f, &was);
	assert_ledger(f, "expired a \nrestored a a\nexpired a \n");
}

static void test_R1__reopen__lines_of_steps_are_kept(void **state)
{
	struct fixture *f = *state;
	needs_persistence(f);
	struct thread_info a = make_thread(f, "a"), b = make_thread(f, "b");
	assert_int_equal(store_thread_remove(f->store, ref_of(&a), now_ns(f), NULL), 0);
	assert_int_equal(store_thread_rename(f->store, ref_of(&b), "c", false, 5, &b), 0);
	contract_reopen(f);
	assert_ledger(f, "deleted a \nrenamed b c\n");
}

static void test_R4__lines_of_steps__push_out_the_oldest(void **state)
{
	enum { KEPT = 10000, SLACK = 400, STEP = 500 };
	struct fixture *f = *state;
	struct ledger_entry *lines = calloc(STEP, sizeof(*lines));
	struct ledger_page page;
	assert_non_null(lines);
	for (int i = 0; i < STEP; i++)
		lines[i].cause = LEDGER_LOST;
	for (int i = 0; i < KEPT; i += STEP)
		assert_int_equal(store_ledger_add(f->store, lines, STEP), 0);
	free(lines);
	assert_int_equal(store_ledger_list(f->store, 0, 1, &page), 0);
	uint64_t first = page.items[0].seq;
	ledger_page_done(&page);
	for (int i = 0; i < SLACK; i++) {
		struct thread_info thread = make_thread(f, "a");
		assert_int_equal(
			store_thread_remove(f->store, ref_of(&thread), now_ns(f), NULL), 0);
	}
	assert_int_equal(store_ledger_list(f->store, 0, 2 * KEPT, &page), 0);
	assert_true(page.count >= KEPT && page.count < KEPT + SLACK);
	assert_true(page.items[0].seq > first);
	assert_int_equal(page.items[page.count - 1].cause, LEDGER_DELETED);
	ledger_page_done(&page);
}

int contract_ledger(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_R4__remove__enters_it_in_the_same_step),
		CONTRACT_TEST(test_R4__remove_of_one_that_never_expires__its_line_says_so),
		CONTRACT_TEST(test_R4__remove_of_an_expired_one__enters_nothing),
		CONTRACT_TEST(test_R4__rename__enters_it_in_the_same_step),
		CONTRACT_TEST(test_R4__rename_over_an_empty_one__enters_both),
		CONTRACT_TEST(test_R4__restore__enters_it_and_that_it_had_expired),
		CONTRACT_TEST(test_R4__restore_of_one_that_was_told_to_expire__enters_it_alone),
		CONTRACT_TEST(test_R4__restore_over_an_empty_one__enters_all_three),
		CONTRACT_TEST(test_R4__revived_by_a_change__enters_it_and_that_it_had_expired),
		CONTRACT_TEST(test_R4__changed_where_it_lies__enters_nothing),
		CONTRACT_TEST(test_R4__expiry_of_one_that_has_come_back__is_not_entered_again),
		CONTRACT_TEST(test_R1__reopen__lines_of_steps_are_kept),
		CONTRACT_TEST(test_R4__lines_of_steps__push_out_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
