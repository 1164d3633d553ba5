/* The contract of many threads at once. The workers count; only the main one asserts. */
#include "contract.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 8, APPENDS = 25, ROUNDS = 40 };

struct crew {
	struct fixture *f;
	struct thread_info thread;
	pthread_barrier_t barrier;
	uint64_t expect; /* set between two rounds */
	int round; /* set between two rounds */
	int won, lost, other; /* atomic */
	uint32_t numbers[WORKERS * APPENDS]; /* each worker has its own places */
};

static void run_crew(struct crew *crew, void *(*work)(void *))
{
	pthread_t workers[WORKERS];
	pthread_barrier_init(&crew->barrier, NULL, WORKERS);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i], NULL, work, crew), 0);
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_barrier_destroy(&crew->barrier);
}

/* As reserve(), on a thread that must not assert. */
static uint64_t number_of(struct crew *crew)
{
	uint64_t number = 0;
	store_reserve(crew->f->store, 1, &number);
	return number;
}

static void count(struct crew *crew, int r, int losing)
{
	int *counter = r == 0 ? &crew->won : r == losing ? &crew->lost : &crew->other;
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void *append_worker(void *arg)
{
	struct crew *crew = arg;
	struct blob *content CLEAN_BLOB = blob_new("turn", 4);
	struct thread_change all = {.time_ns = 1};
	for (int i = 0; i < APPENDS; i++) {
		struct turn_new turn = {.role = "user", .ino = number_of(crew), .content = content};
		struct thread_info info;
		uint32_t number = 0;
		unsigned flags = i % 5 == 0 ? STORE_DURABLE : 0;
		int r = store_append(crew->f->store, ref_of(&crew->thread), &all, &turn, 1,
			flags | STORE_RENEW, &info, &number);
		count(crew, r, 0);
		if (r == 0 && number >= 1 && number <= WORKERS * APPENDS)
			__atomic_add_fetch(&crew->numbers[number - 1], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_W6__eight_threads_append__numbers_are_1_to_n_without_gap(void **state)
{
	struct crew crew = {.f = *state, .thread = make_thread(*state, "a")};
	run_crew(&crew, append_worker);
	assert_int_equal(crew.won, WORKERS * APPENDS);
	for (size_t i = 0; i < WORKERS * APPENDS; i++)
		assert_int_equal(crew.numbers[i], 1);
	crew.thread = stat_thread(crew.f, &crew.thread);
	assert_int_equal(crew.thread.turns, WORKERS * APPENDS);
	assert_int_equal(crew.thread.bytes, 4 * WORKERS * APPENDS);
}

static int put_once(struct crew *crew, const char *name, uint64_t *ret_revision)
{
	struct blob *content CLEAN_BLOB = blob_new("text", 4);
	struct change change = {.kind = CHANGE_PUT,
		.name = name,
		.expect = crew->expect,
		.set = SET_CONTENT,
		.ino = number_of(crew),
		.content = content};
	struct thread_info info;
	int r = store_apply(crew->f->store, ref_of(&crew->thread), NULL, &change, 1, 0, &info);
	if (r == 0)
		*ret_revision = change.ret_revision;
	return r;
}

static void *create_worker(void *arg)
{
	struct crew *crew = arg;
	char name[32];
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t revision;
		snprintf(name, sizeof(name), "%06d-user.md", round + 1);
		pthread_barrier_wait(&crew->barrier);
		count(crew, put_once(crew, name, &revision), -EEXIST);
	}
	return NULL;
}

static void test_W5__eight_threads_create_one_name__exactly_one_wins_each_round(void **state)
{
	struct crew crew = {
		.f = *state, .thread = make_thread(*state, "a"), .expect = STORE_REVISION_NONE};
	run_crew(&crew, create_worker);
	assert_int_equal(crew.won, ROUNDS);
	assert_int_equal(crew.lost, ROUNDS * (WORKERS - 1));
	assert_int_equal(stat_thread(crew.f, &crew.thread).turns, ROUNDS);
}

static void *edit_worker(void *arg)
{
	struct crew *crew = arg;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t revision = 0;
		pthread_barrier_wait(&crew->barrier);
		int r = put_once(crew, "x", &revision);
		count(crew, r, -ESTALE);
		pthread_barrier_wait(&crew->barrier);
		if (r == 0)
			crew->expect = revision; /* the one who won sets it for all */
	}
	return NULL;
}

static void test_W8__eight_threads_edit_one_file__exactly_one_wins_each_round(void **state)
{
	struct crew crew = {.f = *state, .thread = make_thread(*state, "a")};
	crew.expect = put(crew.f, &crew.thread, "x", "start");
	run_crew(&crew, edit_worker);
	assert_int_equal(crew.won, ROUNDS);
	assert_int_equal(crew.lost, ROUNDS * (WORKERS - 1));
	assert_true(stat_file(crew.f, &crew.thread, "x").revision == crew.expect);
}

/* One half writes "aaaa…" and "bbbb…" by turns, the other must never see a mix. */
static void *mix_worker(void *arg)
{
	struct crew *crew = arg;
	bool writer = __atomic_fetch_add(&crew->round, 1, __ATOMIC_RELAXED) % 2 == 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct blob *content CLEAN_BLOB = NULL;
		struct file_info info = {0};
		int r;
		if (writer) {
			if (blob_resize(&content, 1000 + (size_t)i) < 0)
				continue;
			memset(content->data, 'a' + i % 2, content->size);
			struct change change = {.kind = CHANGE_PUT,
				.name = "x",
				.expect = STORE_REVISION_ANY,
				.set = SET_CONTENT,
				.content = content};
			r = store_apply(crew->f->store, ref_of(&crew->thread), NULL, &change, 1, 0,
				&(struct thread_info){0});
		} else {
			r = store_file_read(
				crew->f->store, ref_of(&crew->thread), "x", &content, &info);
			const char *text = blob_data(content);
			for (size_t at = 1; r == 0 && at < blob_size(content); at++)
				if (text[at] != text[0])
					r = -EIO;
			if (r == 0 && info.size != blob_size(content))
				r = -EIO;
			file_info_done(&info);
		}
		count(crew, r, 0);
	}
	return NULL;
}

static void test_W3__readers_beside_writers__see_whole_versions_only(void **state)
{
	struct crew crew = {.f = *state, .thread = make_thread(*state, "a")};
	put(crew.f, &crew.thread, "x", "aaaa");
	run_crew(&crew, mix_worker);
	assert_int_equal(crew.won, WORKERS * ROUNDS);
}

/* Everything at once, for the sanitizers and for deadlocks; then the counts must agree. */
static void *busy_worker(void *arg)
{
	struct crew *crew = arg;
	int me = __atomic_fetch_add(&crew->round, 1, __ATOMIC_RELAXED);
	char id[16];
	snprintf(id, sizeof(id), "t%d", me % 3);
	for (int i = 0; i < ROUNDS; i++) {
		struct thread_info info;
		struct thread_page page;
		struct file_page files;
		struct store_usage usage;
		struct store_health health;
		uint32_t first;
		struct turn_new turn = {.role = "user", .ino = number_of(crew)};
		struct thread_info new = {
			.gen = number_of(crew), .ttl_ms = HOUR_MS, .doc.ino = number_of(crew)};
		strcpy(new.id, id);
		if (store_thread_create(crew->f->store, &new, 0, &info) == -EEXIST &&
			store_thread_find(crew->f->store, id, &info) < 0)
			continue;
		store_append(
			crew->f->store, ref_of(&info), NULL, &turn, 1, STORE_REVIVE, &info, &first);
		if (store_thread_list(crew->f->store, THREAD_LIVE, 0, 2, &page) == 0)
			thread_page_done(&page);
		if (store_file_list(crew->f->store, ref_of(&info), "", 5, true, &files) == 0)
			file_page_done(&files);
		store_usage(crew->f->store, &usage);
		store_health(crew->f->store, false, &health);
		if (me == 0)
			store_thread_rename(crew->f->store, ref_of(&info), "t9", true, 1, &info);
	}
	return NULL;
}

static void test_R1__everything_at_once__counts_agree_afterwards(void **state)
{
	struct crew crew = {.f = *state};
	run_crew(&crew, busy_worker);
	struct thread_page page;
	struct store_usage usage;
	uint64_t files = 0;
	assert_int_equal(store_thread_list(crew.f->store, THREAD_LIVE, 0, 1000, &page), 0);
	for (size_t i = 0; i < page.count; i++) {
		struct file_page list;
		files += page.items[i].files;
		assert_int_equal(store_file_list(crew.f->store, ref_of(&page.items[i]), "", 1000,
					 false, &list),
			0);
		assert_int_equal(list.count, page.items[i].files);
		file_page_done(&list);
	}
	assert_int_equal(store_usage(crew.f->store, &usage), 0);
	assert_true(usage.threads == page.count && usage.files == files && files > 0);
	thread_page_done(&page);
}

int contract_concurrent(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(test_W6__eight_threads_append__numbers_are_1_to_n_without_gap),
		CONTRACT_TEST(test_W5__eight_threads_create_one_name__exactly_one_wins_each_round),
		CONTRACT_TEST(test_W8__eight_threads_edit_one_file__exactly_one_wins_each_round),
		CONTRACT_TEST(test_W3__readers_beside_writers__see_whole_versions_only),
		CONTRACT_TEST(test_R1__everything_at_once__counts_agree_afterwards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
