/* The local store when SQLite can neither end a transaction nor take it back, for lack of memory.
 */
#include "unit.h"

#include "backend.h"
#include "sqlite/sqlite_store.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failing_commits, failing_rollbacks, failing_syncs; /* how many more are to fail */
static atomic_int failing_undos; /* the same for taking one body back */

/* They stand before SQLite's own and libc's: the store's calls come here. */
int fdatasync(int fd)
{
	if (failing_syncs > 0) {
		failing_syncs--;
		errno = EIO;
		return -1;
	}
	usleep(1000); /* a disk takes its time: meanwhile others queue up */
	return (int)syscall(SYS_fdatasync, fd);
}

int sqlite3_step(sqlite3_stmt *stmt)
{
	static int (*real)(sqlite3_stmt *);
	const char *sql = sqlite3_sql(stmt);

	if (!real)
		real = (int (*)(sqlite3_stmt *))dlsym(RTLD_NEXT, "sqlite3_step");
	if (failing_commits > 0 && sql && strncmp(sql, "COMMIT", 6) == 0) {
		failing_commits--;
		return SQLITE_NOMEM;
	}
	if (failing_undos > 0 && sql && strncmp(sql, "ROLLBACK TO", 11) == 0) {
		failing_undos--;
		return SQLITE_NOMEM;
	}
	return real(stmt);
}

int sqlite3_exec(sqlite3 *db, const char *sql, int (*callback)(void *, int, char **, char **),
	void *arg, char **error)
{
	static __typeof__(&sqlite3_exec) real;

	if (!real)
		real = (__typeof__(real))dlsym(RTLD_NEXT, "sqlite3_exec");
	if (failing_rollbacks > 0 && strcmp(sql, "ROLLBACK") == 0) {
		failing_rollbacks--;
		return SQLITE_NOMEM;
	}
	return real(db, sql, callback, arg, error);
}

struct fixture {
	char dir[64], path[96];
	struct store *store;
	struct thread_info thread;
};

static void reopen(struct fixture *f)
{
	struct store_options options = {.create = true, .timeout_ms = 100};
	struct errtext error = {0};

	store_close(f->store);
	f->store = NULL;
	if (sqlite_store_open(f->path, &options, &f->store, &error) < 0)
		fail_msg("open: %s", error.text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct thread_info info = {.mode = 0700, .ttl_ms = STORE_TTL_NEVER, .id = "talk"};

	strcpy(f->dir, "/tmp/turnfs-unended-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/turns.db", f->dir);
	reopen(f);
	assert_int_equal(store_reserve(f->store, 1, &info.gen), 0);
	assert_int_equal(store_thread_create(f->store, &info, STORE_DURABLE, &f->thread), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[96];

	store_close(f->store);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static struct thread_ref ref(const struct fixture *f)
{
	return (struct thread_ref){.id = "talk", .gen = f->thread.gen};
}

static int append(struct fixture *f, const char *text)
{
	CLEAN_BLOB struct blob *content = blob_new(text, strlen(text));
	struct turn_new turn = {.role = "user", .mode = 0600, .content = content};
	struct thread_change change = {0};
	struct thread_info info;
	uint32_t first;

	assert_int_equal(store_reserve(f->store, 1, &turn.ino), 0);
	return store_append(f->store, ref(f), &change, &turn, 1, STORE_DURABLE, &info, &first);
}

/* "a, b" of the turns there are. */
static void assert_turns(struct fixture *f, const char *wanted)
{
	struct file_page page;
	char found[256] = "";

	assert_int_equal(store_file_list(f->store, ref(f), "", 100, true, &page), 0);
	for (size_t i = 0; i < page.count; i++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s",
			i ? ", " : "", blob_data(page.contents[i]));
	file_page_done(&page);
	assert_string_equal(found, wanted);
}

static void test_F3__a_read_cannot_be_ended__later_reads_are_well_and_see_what_is_new(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;

	assert_int_equal(append(f, "a"), 0);
	failing_commits = failing_rollbacks = 1;
	assert_int_equal(store_thread_stat(f->store, ref(f), &info), 0);
	assert_int_equal(failing_commits + failing_rollbacks, 0);
	assert_int_equal(append(f, "b"), 0);
	for (int i = 0; i < 10; i++)
		assert_turns(f, "a, b");
}

static void test_F4__a_read_cannot_be_ended__healing_after_a_failed_sync_is_not_kept_busy(
	void **state)
{
	struct fixture *f = *state;
	struct thread_info info;

	assert_int_equal(append(f, "a"), 0);
	failing_commits = failing_rollbacks = 1;
	assert_int_equal(store_thread_stat(f->store, ref(f), &info), 0);
	failing_syncs = 1;
	assert_int_equal(append(f, "refused"), -EIO);
	assert_int_equal(append(f, "b"), 0);
	assert_turns(f, "a, b");
}

static void test_F3__a_commit_can_neither_end_nor_be_taken_back__the_next_one_is_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(append(f, "a"), 0);
	failing_commits = 1;
	failing_rollbacks =
		2; /* the second when it is tried again: then the connection is made anew */
	assert_int_equal(append(f, "refused"), -ENOMEM);
	assert_turns(f, "a");
	assert_int_equal(append(f, "b"), 0);
	assert_int_equal(failing_commits + failing_rollbacks, 0);
	assert_turns(f, "a, b");
	assert_int_equal(append(f, "c"), 0);
	reopen(f);
	assert_turns(f, "a, b, c");
}

enum { WRITERS = 8, UNDOS = 30 };

static atomic_bool ending;

/* Steps whose first change is well and whose second is refused, so that both are taken back. */
static void *halves(void *arg)
{
	static atomic_int last;
	const struct fixture *f = arg;
	CLEAN_BLOB struct blob *content = blob_new("x", 1);

	while (!ending) {
		char name[32];
		uint64_t ino;
		struct thread_info info;
		struct thread_change change = {0};

		snprintf(name, sizeof(name), "half-%d", ++last);
		if (store_reserve(f->store, 1, &ino) < 0)
			abort();
		struct change changes[] = {
			{.kind = CHANGE_PUT, .name = name, .ino = ino, .content = content},
			{.kind = CHANGE_PUT, .name = "000001-user.md", .expect = UINT64_MAX - 1},
		};
		if (store_apply(f->store, ref(f), &change, changes, 2, STORE_DURABLE, &info) >= 0)
			abort();
	}
	return NULL;
}

static void test_F3__one_of_a_group_cannot_be_taken_back__nothing_of_it_is_kept(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[WRITERS];
	struct file_page page;

	assert_int_equal(append(f, "a"), 0);
	int appended = 1;

	failing_undos = UNDOS;
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, halves, f), 0);
	for (; appended < 2000 && failing_undos > UNDOS / 2; appended++)
		assert_int_equal(append(f, "b"), 0);
	ending = true;
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(failing_undos < UNDOS);
	assert_int_equal(store_file_list(f->store, ref(f), "", 5000, false, &page), 0);
	size_t count = page.count;

	file_page_done(&page);
	assert_int_equal(count, appended);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_F3__a_read_cannot_be_ended__later_reads_are_well_and_see_what_is_new),
		TEST(test_F4__a_read_cannot_be_ended__healing_after_a_failed_sync_is_not_kept_busy),
		TEST(test_F3__one_of_a_group_cannot_be_taken_back__nothing_of_it_is_kept),
		TEST(test_F3__a_commit_can_neither_end_nor_be_taken_back__the_next_one_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
