/* What only the local store has: its file, its lock, its journal, damage, and what it overwrites.
 */
#include "unit.h"

#include "backend.h"
#include "sqlite/sqlite_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOUR_MS INT64_C(3600000)

static int failing_syncs; /* atomic; how many more are to fail */

/* Stands before libc's: SQLite's and our own calls come here. */
int fdatasync(int fd)
{
	if (__atomic_load_n(&failing_syncs, __ATOMIC_RELAXED) > 0) {
		__atomic_sub_fetch(&failing_syncs, 1, __ATOMIC_RELAXED);
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

struct fixture {
	char dir[128], path[160];
	struct clock_manual clock;
	struct store *store;
};

static struct store_options options_of(struct fixture *f)
{
	return (struct store_options){
		.create = true,
		.timeout_ms = 100,
		.grace_ms = 24 * HOUR_MS,
		.clock = &f->clock.clock,
	};
}

static int try_open(struct fixture *f, const struct store_options *options, struct errtext *error)
{
	return sqlite_store_open(f->path, options, &f->store, error);
}

static void open_store(struct fixture *f)
{
	struct store_options options = options_of(f);
	struct errtext error = {0};
	int rc = try_open(f, &options, &error);

	if (rc < 0)
		fail_msg("open: %s", error.text);
}

static void close_store(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%.90s/turnfs-sqlite-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/turns.db", f->dir);
	clock_manual_init(&f->clock, INT64_C(1790000000) * 1000000000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[256];

	store_close(f->store);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static uint64_t number(struct store *store)
{
	uint64_t first;

	assert_int_equal(store_reserve(store, 1, &first), 0);
	return first;
}

static struct thread_info make_thread(struct store *store, const char *id, int64_t ttl_ms)
{
	struct thread_info info = {.gen = number(store), .mode = 0700, .ttl_ms = ttl_ms}, made;

	strcpy(info.id, id);
	assert_int_equal(store_thread_create(store, &info, STORE_DURABLE, &made), 0);
	return made;
}

static int append(struct store *store, const struct thread_info *thread, const char *text)
{
	struct blob *content = blob_new(text, strlen(text));
	struct turn_new turn = {
		.role = "user",
		.ino = number(store),
		.mode = 0600,
		.content = content,
	};
	struct thread_ref ref = {thread->id, thread->gen};
	uint32_t first;
	int rc = store_append(store, ref, NULL, &turn, 1, STORE_DURABLE, NULL, &first);

	blob_unref(content);
	return rc < 0 ? rc : (int)first;
}

static int read_turn(struct store *store, const struct thread_info *thread, const char *name)
{
	struct thread_ref ref = {thread->id, thread->gen};
	struct blob *content;
	struct file_info info;
	int rc = store_file_read(store, ref, name, &content, &info);

	if (rc == 0) {
		blob_unref(content);
		file_info_done(&info);
	}
	return rc;
}

/* Waits for a condition, 10 s at most. */
#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		int left = 1000;                                                                   \
		while (!(condition) && left-- > 0)                                                 \
			usleep(10000);                                                             \
		assert_true(condition);                                                            \
	} while (0)

static void sql(struct fixture *f, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void write_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	close(fd);
}

static bool file_has(const char *path, const char *text)
{
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	char *data = malloc((size_t)st.st_size + 1);
	ssize_t n = read(fd, data, (size_t)st.st_size);
	bool found = n > 0 && memmem(data, (size_t)n, text, strlen(text));

	free(data);
	close(fd);
	return found;
}

/* Whether any of the store's files has the text. */
static bool store_has(struct fixture *f, const char *text)
{
	bool found = false;
	DIR *dir = opendir(f->dir);
	char path[512];

	for (struct dirent *e; (e = readdir(dir));) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, e->d_name);
		found |= e->d_name[0] != '.' && file_has(path, text);
	}
	closedir(dir);
	return found;
}

static void assert_refused(struct fixture *f, const char *path, int rc, const char *words)
{
	struct store_options options = options_of(f);
	struct errtext error = {0};

	assert_int_equal(sqlite_store_open(path, &options, &f->store, &error), rc);
	if (!strstr(error.text, words) || strchr(error.text, '\n'))
		fail_msg("\"%s\" should say \"%s\"", error.text, words);
}

static void test_C4__a_directory_as_store__says_to_name_a_file(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, f->dir, -EINVAL, "name a file in it");
}

static void test_S1__directory_or_file_others_can_write__is_refused(void **state)
{
	struct fixture *f = *state;

	chmod(f->dir, 01777);
	assert_refused(f, f->path, -EPERM, "make a directory of its own");
	chmod(f->dir, 0700);
	write_file(f->path, "", 0);
	chmod(f->path, 0666);
	assert_refused(f, f->path, -EPERM, "chmod go-w");
}

static void test_S1__symlink_as_store__is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(symlink("/nonexistent", f->path), 0);
	assert_refused(f, f->path, -EPERM, "symbolic link");
}

static void test_S1__missing_directories__are_made_for_us_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	strcat(f->path, ".d/deep/turns.db");
	open_store(f);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	*strrchr(f->path, '/') = '\0';
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_S3__a_file_of_something_else__is_not_touched(void **state)
{
	struct fixture *f = *state;
	static const char text[] = "Dear diary, this is long enough to be read as a header, and it "
				   "is not one of a store at all. It goes on for a while.";
	struct stat before, after;

	write_file(f->path, text, sizeof(text));
	assert_refused(f, f->path, -EINVAL, "is not a turnfs store");
	assert_true(file_has(f->path, text));

	unlink(f->path);
	sql(f, "CREATE TABLE other(x); PRAGMA application_id = 7;");
	stat(f->path, &before);
	assert_refused(f, f->path, -EINVAL, "another program's database");
	stat(f->path, &after);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void test_C4__made_by_a_newer_version__says_to_upgrade(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	close_store(f);
	sql(f, "PRAGMA user_version = 99;");
	assert_refused(f, f->path, -EINVAL, "made by a newer turnfs (schema 99, this one knows 1)");
}

static void test_C4__an_empty_file__is_a_new_store(void **state)
{
	struct fixture *f = *state;

	write_file(f->path, "", 0);
	open_store(f);
	make_thread(f->store, "t", HOUR_MS);
}

static void test_C4__no_store_and_create_not_asked__is_ENOENT(void **state)
{
	struct fixture *f = *state;
	struct store_options options = options_of(f);
	struct errtext error = {0};

	options.create = false;
	assert_int_equal(try_open(f, &options, &error), -ENOENT);
	assert_non_null(strstr(error.text, "There is no store"));
}

static void test_C4__header_damaged__is_one_sentence(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	close_store(f);
	int fd = open(f->path, O_WRONLY);

	assert_int_equal(pwrite(fd, "\0\0\0\0", 4, 100), 4);
	close(fd);
	assert_refused(f, f->path, -EIO, "restore it from a backup");
}

static void test_F5__a_second_opener__is_refused_with_the_pid(void **state)
{
	struct fixture *f = *state;
	char words[64];
	struct store *first;

	open_store(f);
	first = f->store;
	f->store = NULL;
	snprintf(words, sizeof(words), "in use by process %d;", (int)getpid());
	assert_refused(f, f->path, -EBUSY, words);
	store_close(first);
	open_store(f);
}

static void *close_soon(void *arg)
{
	usleep(200000);
	store_close(arg);
	return NULL;
}

static void test_F5__the_first_is_ending__the_second_waits_for_it(void **state)
{
	struct fixture *f = *state;
	struct store_options options = options_of(f);
	struct errtext error = {0};
	pthread_t thread;

	open_store(f);
	pthread_create(&thread, NULL, close_soon, f->store);
	f->store = NULL;
	options.timeout_ms = 5000;
	assert_int_equal(try_open(f, &options, &error), 0);
	pthread_join(thread, NULL);
}

static void test_C2__peek__reads_beside_a_mount_and_after_it(void **state)
{
	struct fixture *f = *state;
	struct store_options options = options_of(f);
	struct errtext error;
	struct store *mount;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	assert_int_equal(append(f->store, &thread, "hello"), 1);
	mount = f->store;
	options.peek = true;
	assert_int_equal(try_open(f, &options, &error), 0);
	assert_int_equal(read_turn(f->store, &thread, "000001-user.md"), 0);
	assert_int_equal(
		store_thread_remove(f->store, (struct thread_ref){"t", thread.gen}, 0, NULL),
		-EROFS);
	close_store(f);
	store_close(mount);
	assert_int_equal(try_open(f, &options, &error), 0);
	assert_int_equal(read_turn(f->store, &thread, "000001-user.md"), 0);
}

static void test_R1__read_only__changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_options options = options_of(f);
	struct stat before, after;
	struct errtext error;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	append(f->store, &thread, "hello");
	close_store(f);
	stat(f->path, &before);
	options.read_only = true;
	assert_int_equal(try_open(f, &options, &error), 0);
	assert_int_equal(read_turn(f->store, &thread, "000001-user.md"), 0);
	uint64_t first;

	assert_int_equal(store_reserve(f->store, 1, &first), -EROFS);
	close_store(f);
	stat(f->path, &after);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

/* Changes one byte of the only place that has `text`. */
static void damage(struct fixture *f, const char *text)
{
	struct stat st;
	int fd = open(f->path, O_RDWR);

	assert_int_equal(fstat(fd, &st), 0);
	char *data = malloc((size_t)st.st_size);

	assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
	char *at = memmem(data, (size_t)st.st_size, text, strlen(text));

	assert_non_null(at);
	assert_int_equal(pwrite(fd, "#", 1, at - data), 1);
	free(data);
	close(fd);
}

static void test_F7__one_byte_damaged__that_row_is_EIO_and_the_rest_reads(void **state)
{
	struct fixture *f = *state;
	struct store_health health;
	struct file_page page;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	append(f->store, &thread, "first of all");
	append(f->store, &thread, "second to none");
	append(f->store, &thread, "third and last");
	close_store(f);
	damage(f, "second to none");
	open_store(f);
	assert_int_equal(read_turn(f->store, &thread, "000001-user.md"), 0);
	assert_int_equal(read_turn(f->store, &thread, "000002-user.md"), -EIO);
	assert_int_equal(read_turn(f->store, &thread, "000003-user.md"), 0);

	struct thread_ref ref = {"t", thread.gen};

	assert_int_equal(store_file_list(f->store, ref, "", 10, true, &page), 0);
	assert_int_equal(page.count, 3);
	assert_non_null(page.contents[0]);
	assert_null(page.contents[1]);
	assert_non_null(page.contents[2]);
	file_page_done(&page);
	assert_int_equal(store_health(f->store, false, &health), 0);
	assert_int_equal(health.damaged, 1); /* met twice, counted once */
	assert_int_equal(health.state, HEALTH_DEGRADED);
}

static void test_F7__a_files_metadata_damaged__it_is_listed_and_EIO(void **state)
{
	struct fixture *f = *state;
	struct file_info info;
	struct file_page page;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);
	struct thread_ref ref = {"t", thread.gen};

	append(f->store, &thread, "one");
	append(f->store, &thread, "two");
	close_store(f);
	sql(f, "UPDATE files SET attrs = zeroblob(64) WHERE name = '000001-user.md'");
	open_store(f);
	assert_int_equal(store_file_stat(f->store, ref, "000001-user.md", &info), -EIO);
	assert_int_equal(store_file_list(f->store, ref, "", 10, false, &page), 0);
	assert_int_equal(page.count, 2);
	assert_string_equal(page.items[0].name, "000001-user.md");
	assert_int_equal(page.items[0].size, 0);
	assert_int_equal(page.items[1].size, 3);
	file_page_done(&page);
}

static void test_F7__a_threads_row_damaged__the_others_are_listed(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;
	struct thread_page page;

	open_store(f);
	make_thread(f->store, "a", HOUR_MS);
	make_thread(f->store, "b", HOUR_MS);
	close_store(f);
	sql(f, "UPDATE threads SET attrs = x'00' WHERE id = 'a'");
	open_store(f);
	assert_int_equal(store_thread_find(f->store, "a", &info), -EIO);
	assert_int_equal(store_thread_find(f->store, "b", &info), 0);
	assert_int_equal(store_thread_list(f->store, THREAD_LIVE, 0, 10, &page), 0);
	assert_int_equal(page.count, 2);
	assert_string_equal(page.items[0].id, "a");
	thread_page_done(&page);
}

static void test_S3__hostile_rows__are_EIO(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;
	struct thread_page page;

	open_store(f);
	make_thread(f->store, "good", HOUR_MS);
	close_store(f);
	sql(f, "INSERT INTO threads VALUES(70, 'x/../y', zeroblob(144));"
	       "INSERT INTO threads VALUES(71, x'00ff', 5);"
	       "INSERT INTO threads VALUES(72, 'z', zeroblob(100000));"
	       "INSERT INTO files VALUES(90, 1, 'a/b', 'text', 3.5, 7);");
	open_store(f);
	assert_int_equal(store_thread_find(f->store, "z", &info), -EIO);
	assert_int_equal(store_thread_list(f->store, THREAD_LIVE, 0, 10, &page), 0);
	assert_int_equal(page.count, 2); /* "good" and "z" */
	thread_page_done(&page);
}

static void test_F7__after_an_unclean_stop__a_check_runs_and_tells(void **state)
{
	struct fixture *f = *state;
	struct store_health health;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	append(f->store, &thread, "a text that is to be damaged");
	store_health(f->store, false, &health);
	assert_string_equal(health.check, "not needed");
	close_store(f);
	sql(f, "DELETE FROM meta WHERE key = 'clean'; UPDATE sessions SET sum = 1");
	damage(f, "a text that is to be damaged");
	sql(f, "INSERT INTO meta VALUES('clean', zeroblob(8), 0)");
	open_store(f);
	WAIT_FOR(store_health(f->store, false, &health) == 0 &&
		 strstr(health.check, "rows are damaged"));
	assert_int_equal(health.damaged, 1);
	close_store(f);
	open_store(f); /* this time it was clean */
	store_health(f->store, false, &health);
	assert_string_equal(health.check, "not needed");
}

/* Appends until it is killed; each number that was acknowledged goes through the pipe. */
static void append_forever(struct fixture *f, const struct thread_info *thread, int fd)
{
	char text[64];

	open_store(f);
	for (;;) {
		snprintf(text, sizeof(text), "turn");
		int n = append(f->store, thread, text);

		if (n < 0 || write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
}

static void test_R1__kill_9_in_the_middle__loses_no_acknowledged_turn(void **state)
{
	struct fixture *f = *state;
	char name[32];
	int last = 0;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	close_store(f);
	for (int round = 0; round < 10; round++) {
		int pipe_fd[2], n;

		assert_int_equal(pipe(pipe_fd), 0);
		pid_t pid = fork();

		if (pid == 0)
			append_forever(f, &thread, pipe_fd[1]);
		close(pipe_fd[1]);
		usleep(20000 + (useconds_t)round * 7000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(pipe_fd[0], &n, sizeof(n)) == sizeof(n))
			last = n;
		close(pipe_fd[0]);
		open_store(f);
		for (n = 1; n <= last; n++) {
			snprintf(name, sizeof(name), "%06d-user.md", n);
			assert_int_equal(read_turn(f->store, &thread, name), 0);
		}
		/* One more may be there that was not acknowledged in time; numbers go on. */
		n = append(f->store, &thread, "after");
		assert_true(n - last <= 2);
		last = n; /* a round that is killed before its first turn adds none */
		close_store(f);
	}
	assert_true(last > 10);
}

static void test_R1__kill_9_while_it_is_made__opens_next_time(void **state)
{
	struct fixture *f = *state;

	for (int round = 0; round < 20; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			open_store(f);
			pause();
		}
		usleep((useconds_t)round * 500);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		open_store(f);
		make_thread(f->store, "t", HOUR_MS);
		close_store(f);
		unlink(f->path);
	}
}

struct writer {
	struct store *store;
	struct thread_info thread;
	int count;
};

static void *write_turns(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < w->count; i++)
		assert_int_equal(append(w->store, &w->thread, "a turn of some length"), i + 1);
	return NULL;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_writers(struct store *store, int writers, int count)
{
	struct writer w[16];
	pthread_t threads[16];
	char id[32];

	for (int i = 0; i < writers; i++) {
		snprintf(id, sizeof(id), "w%d-%d", writers, i);
		w[i] = (struct writer){store, make_thread(store, id, HOUR_MS), count};
	}
	double start = seconds();

	for (int i = 0; i < writers; i++)
		pthread_create(&threads[i], NULL, write_turns, &w[i]);
	for (int i = 0; i < writers; i++)
		pthread_join(threads[i], NULL);
	return writers * count / (seconds() - start);
}

static void test_W6__sixteen_writers__share_commits_and_are_exact(void **state)
{
	struct fixture *f = *state;
	struct store_usage usage;

	open_store(f);
	double one = run_writers(f->store, 1, 200), many = run_writers(f->store, 16, 200);

	assert_int_equal(store_usage(f->store, &usage), 0);
	assert_int_equal(usage.files, 200 + 16 * 200);
	assert_int_equal(usage.threads, 17);
	/* By much, where a sync costs something (tmpfs: nothing to share). */
	if (one < 20000)
		assert_true(many > 1.2 * one);
}

static void test_F4__a_sync_fails__the_turn_is_refused_and_the_next_one_is_whole(void **state)
{
	struct fixture *f = *state;
	struct store_health health;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	assert_int_equal(append(f->store, &thread, "one"), 1);
	number(f->store); /* so that the refused commit is a durable one of its own */
	failing_syncs = 1;
	assert_int_equal(append(f->store, &thread, "refused"), -EIO);
	assert_int_equal(read_turn(f->store, &thread, "000002-user.md"), -ENOENT);
	assert_int_equal(store_health(f->store, false, &health), 0);
	assert_int_equal(health.state, HEALTH_FAILED);
	assert_int_equal(health.error, -EIO);

	failing_syncs = 1; /* the journal cannot be written again either */
	assert_int_equal(append(f->store, &thread, "refused too"), -EIO);
	assert_int_equal(store_health(f->store, true, &health), 0);
	assert_int_equal(health.state, HEALTH_OK);
	assert_int_equal(append(f->store, &thread, "two"), 2);
	close_store(f);
	assert_false(store_has(f, "refused"));
	open_store(f);
	assert_int_equal(read_turn(f->store, &thread, "000001-user.md"), 0);
	assert_int_equal(read_turn(f->store, &thread, "000002-user.md"), 0);
	assert_int_equal(read_turn(f->store, &thread, "000003-user.md"), -ENOENT);
}

static void test_F4__store_sync_fails__it_is_final(void **state)
{
	struct fixture *f = *state;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	failing_syncs = 1;
	assert_int_equal(store_sync(f->store), -EIO);
	assert_int_equal(store_sync(f->store), -EIO);
	assert_int_equal(append(f->store, &thread, "one"), 1);
	assert_int_equal(store_sync(f->store), 0);
}

static void test_F4__syncs_fail_now_and_then__nothing_acknowledged_is_lost(void **state)
{
	struct fixture *f = *state;
	int good = 0;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);

	for (int i = 0; i < 2000; i++) {
		char text[3000];

		memset(text, 'x', sizeof(text));
		text[i] = '\0';
		if (i % 37 == 36)
			__atomic_store_n(&failing_syncs, 1 + i % 3, __ATOMIC_RELAXED);
		int n = append(f->store, &thread, text);

		if (n > 0)
			assert_int_equal(n, ++good);
	}
	__atomic_store_n(&failing_syncs, 0, __ATOMIC_RELAXED);
	assert_true(good > 1000);
	close_store(f);
	open_store(f);
	assert_int_equal(append(f->store, &thread, "last"), good + 1);
	uint64_t damaged;
	struct errtext text;

	assert_int_equal(sqlite_store_check(f->store, NULL, NULL, &damaged, &text), 0);
	assert_int_equal(damaged, 0);
}

static void purge_all(struct fixture *f, int64_t grace_ms)
{
	size_t purged;

	do {
		assert_int_equal(store_purge(f->store, grace_ms, 50, &purged), 0);
		assert_true(purged <= 50);
	} while (purged > 0);
}

static void test_T6__purged__no_file_of_the_store_has_the_text(void **state)
{
	struct fixture *f = *state;
	static const char secret[] = "a secret that must be gone";
	char text[6000], kept[128];

	open_store(f);
	struct thread_info doomed = make_thread(f->store, "doomed-id-of-a-thread", HOUR_MS);
	struct thread_info other = make_thread(f->store, "kept", 100 * HOUR_MS);

	for (int i = 0; i < 400; i++) {
		memset(text, 'a' + i % 26, sizeof(text));
		size_t size = (size_t)(i * 37 % 5900);

		memcpy(text + size / 2, secret, strlen(secret));
		text[size < 100 ? 100 : size] = '\0';
		assert_int_equal(append(f->store, &doomed, text), i + 1);
		snprintf(kept, sizeof(kept), "kept %d", i);
		append(f->store, &other, kept);
	}
	f->clock.ns += 2 * HOUR_MS * 1000000;
	assert_true(store_has(f, secret));
	purge_all(f, 0);
	WAIT_FOR(!store_has(f, secret));
	assert_int_equal(read_turn(f->store, &other, "000400-user.md"), 0);
	close_store(f);
	assert_false(store_has(f, secret));
	open_store(f);
	assert_int_equal(read_turn(f->store, &other, "000001-user.md"), 0);
}

/* Balancing the trees moves rows between pages; what it leaves behind must go as well. */
static void test_T6__rows_moved_between_pages__no_copy_stays_behind(void **state)
{
	struct fixture *f = *state;
	static const char secret[] = "SECRET";
	struct thread_info threads[10];
	uint32_t random = 23;
	char text[5000], id[32];

	open_store(f);
	for (int i = 0; i < 10; i++) {
		snprintf(id, sizeof(id), "%s-%d", i < 5 ? "doomed" : "kept", i);
		threads[i] = make_thread(f->store, id, i < 5 ? HOUR_MS : 9 * HOUR_MS);
	}
	uint64_t first;

	assert_int_equal(store_reserve(f->store, 2003, &first), 0);
	for (int i = 0; i < 2000; i++) {
		random = random * 1664525 + 1013904223;
		struct thread_info *thread = &threads[random / 65536 % 10];
		size_t size = random / 4096 % (i % 3 ? 300 : 4900) + 20;

		memset(text, '.', size);
		for (size_t at = 0; thread < &threads[5] && at + 6 < size; at += 16)
			memcpy(text + at, secret, 6);
		struct blob *content = blob_new(text, size);
		struct turn_new turn = {
			.role = "user",
			.ino = first + (uint64_t)i * 1009 % 2003, /* all over the tree */
			.content = content,
		};
		struct thread_ref ref = {thread->id, thread->gen};
		uint32_t turn_number;

		assert_int_equal(
			store_append(f->store, ref, NULL, &turn, 1, 0, NULL, &turn_number), 0);
		blob_unref(content);
	}
	f->clock.ns += 2 * HOUR_MS * 1000000;
	purge_all(f, 0);
	WAIT_FOR(!store_has(f, secret));
}

static void test_T6__expired_while_no_mount_watched__grace_begins_at_the_mount(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);
	struct thread_ref ref = {"t", thread.gen};

	close_store(f);
	f->clock.ns += 100 * HOUR_MS * 1000000;
	open_store(f); /* the first that finds it expired */
	purge_all(f, 24 * HOUR_MS);
	assert_int_equal(store_thread_stat(f->store, ref, &info), 0);
	f->clock.ns += 23 * HOUR_MS * 1000000;
	close_store(f);
	open_store(f);
	purge_all(f, 24 * HOUR_MS);
	assert_int_equal(store_thread_stat(f->store, ref, &info), 0);
	f->clock.ns += 2 * HOUR_MS * 1000000;
	purge_all(f, 24 * HOUR_MS);
	assert_int_equal(store_thread_stat(f->store, ref, &info), -ENOENT);
}

static void test_T6__clock_before_the_last_commit__nothing_is_purged(void **state)
{
	struct fixture *f = *state;
	struct thread_info info;

	open_store(f);
	struct thread_info thread = make_thread(f->store, "t", HOUR_MS);
	struct thread_ref ref = {"t", thread.gen};

	f->clock.ns += 100 * HOUR_MS * 1000000;
	make_thread(f->store, "later", HOUR_MS);
	close_store(f);
	f->clock.ns -= 50 * HOUR_MS * 1000000;
	open_store(f);
	purge_all(f, HOUR_MS);
	assert_int_equal(store_thread_stat(f->store, ref, &info), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_C4__a_directory_as_store__says_to_name_a_file),
		TEST(test_S1__directory_or_file_others_can_write__is_refused),
		TEST(test_S1__symlink_as_store__is_refused),
		TEST(test_S1__missing_directories__are_made_for_us_alone),
		TEST(test_S3__a_file_of_something_else__is_not_touched),
		TEST(test_C4__made_by_a_newer_version__says_to_upgrade),
		TEST(test_C4__an_empty_file__is_a_new_store),
		TEST(test_C4__no_store_and_create_not_asked__is_ENOENT),
		TEST(test_C4__header_damaged__is_one_sentence),
		TEST(test_F5__a_second_opener__is_refused_with_the_pid),
		TEST(test_F5__the_first_is_ending__the_second_waits_for_it),
		TEST(test_C2__peek__reads_beside_a_mount_and_after_it),
		TEST(test_R1__read_only__changes_nothing),
		TEST(test_F7__one_byte_damaged__that_row_is_EIO_and_the_rest_reads),
		TEST(test_F7__a_files_metadata_damaged__it_is_listed_and_EIO),
		TEST(test_F7__a_threads_row_damaged__the_others_are_listed),
		TEST(test_S3__hostile_rows__are_EIO),
		TEST(test_F7__after_an_unclean_stop__a_check_runs_and_tells),
		TEST(test_R1__kill_9_in_the_middle__loses_no_acknowledged_turn),
		TEST(test_R1__kill_9_while_it_is_made__opens_next_time),
		TEST(test_W6__sixteen_writers__share_commits_and_are_exact),
		TEST(test_F4__a_sync_fails__the_turn_is_refused_and_the_next_one_is_whole),
		TEST(test_F4__store_sync_fails__it_is_final),
		TEST(test_F4__syncs_fail_now_and_then__nothing_acknowledged_is_lost),
		TEST(test_T6__purged__no_file_of_the_store_has_the_text),
		TEST(test_T6__rows_moved_between_pages__no_copy_stays_behind),
		TEST(test_T6__expired_while_no_mount_watched__grace_begins_at_the_mount),
		TEST(test_T6__clock_before_the_last_commit__nothing_is_purged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
