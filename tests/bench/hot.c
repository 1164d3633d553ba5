/* The hot loops of the benchmarks: two sides, measured in turn, times printed as JSON. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { TEXT = 4096, NAMES = 4096, BUFFER = 1 << 20 };

extern char **environ;
static char text[TEXT];
static char buffer[BUFFER];

static void check(bool good, const char *what, const char *path)
{
	if (good)
		return;
	fprintf(stderr, "hot: %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

static int64_t now_of(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static int64_t now(void)
{
	return now_of(CLOCK_MONOTONIC);
}

static void text_init(void)
{
	for (size_t i = 0; i < TEXT; i++)
		text[i] = (char)(i % 64 == 63 ? '\n' : 'a' + i % 26);
}

/* One side of a comparison: "op=path". */
struct side {
	void (*prepare)(struct side *side); /* before each round, not timed; may be NULL */
	void (*run)(struct side *side);
	const char *path;
	char *names[NAMES]; /* the turns of a directory, whole paths; or its subdirectories */
	size_t count, next;
	int fd, round;
	char *argv[NAMES + 4];
	char scratch[1024];
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_load(struct side *side, bool directories)
{
	DIR *dir = opendir(side->path);
	struct dirent *entry;
	check(dir, "opendir", side->path);
	while ((entry = readdir(dir)) && side->count < NAMES) {
		bool turn = strstr(entry->d_name, ".md") != NULL;
		if (entry->d_name[0] == '.' || (!directories && !turn))
			continue;
		check(asprintf(&side->names[side->count++], "%s/%s", side->path, entry->d_name) > 0,
			"asprintf", "");
	}
	closedir(dir);
	qsort(side->names, side->count, sizeof *side->names, by_text);
	check(side->count, "nothing in", side->path);
}

static const char *name_next(struct side *side)
{
	return side->names[side->next++ % side->count];
}

static void run_stat(struct side *side)
{
	struct stat st;
	const char *name = name_next(side);
	check(lstat(name, &st) == 0, "lstat", name);
}

/* What ls -l of coreutils 9.1 asks: an attribute that is not supported it asks for once. */
static void run_lsl(struct side *side)
{
	bool selinux = true, acl = true;
	char value[256], name[1024];
	struct dirent *entry;
	struct stat st;
	check(stat(side->path, &st) == 0, "stat", side->path);
	DIR *dir = opendir(side->path);
	check(dir, "opendir", side->path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "%s/%s", side->path, entry->d_name);
		check(lstat(name, &st) == 0, "lstat", name);
		if (selinux && lgetxattr(name, "security.selinux", value, sizeof value) < 0)
			selinux = errno != EOPNOTSUPP;
		if (acl && getxattr(name, "system.posix_acl_access", NULL, 0) < 0)
			acl = errno != EOPNOTSUPP;
	}
	closedir(dir);
}

static void run_ls(struct side *side)
{
	DIR *dir = opendir(side->path);
	check(dir, "opendir", side->path);
	while (readdir(dir))
		;
	closedir(dir);
}

static void slurp(const char *name)
{
	int fd = open(name, O_RDONLY);
	check(fd >= 0, "open", name);
	ssize_t n;
	do
		n = read(fd, buffer, sizeof buffer);
	while (n == (ssize_t)sizeof buffer);
	check(n >= 0, "read", name);
	close(fd);
}

static void run_read(struct side *side)
{
	slurp(name_next(side));
}

static void run_read_all(struct side *side)
{
	for (size_t i = 0; i < side->count; i++)
		slurp(side->names[i]);
}

/* As cat does it: fstat, fadvise, reads of 128 KiB up to the end. */
static void run_cat(struct side *side)
{
	for (size_t i = 0; i < side->count; i++) {
		struct stat st;
		int fd = open(side->names[i], O_RDONLY);
		check(fd >= 0, "open", side->names[i]);
		fstat(fd, &st);
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		while (read(fd, buffer, 131072) > 0)
			;
		close(fd);
	}
}

static void run_slurp(struct side *side)
{
	slurp(side->path);
}

static void prepare_create(struct side *side)
{
	snprintf(side->scratch, sizeof side->scratch, "%s/new-%d-%d", side->path, getpid(),
		side->round++);
	check(mkdir(side->scratch, 0700) == 0, "mkdir", side->scratch);
	side->next = 0;
}

static void run_create(struct side *side)
{
	char name[2048];
	snprintf(name, sizeof name, "%s/%06zu-user.md", side->scratch, ++side->next);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	check(fd >= 0, "create", name);
	check(write(fd, text, TEXT) == TEXT, "write", name);
	check(close(fd) == 0, "close", name);
}

static void append(const char *name)
{
	int fd = open(name, O_WRONLY);
	check(fd >= 0, "open", name);
	check(write(fd, text, TEXT) == TEXT, "write", name);
	check(close(fd) == 0, "close", name);
}

static void run_append(struct side *side)
{
	snprintf(side->scratch, sizeof side->scratch, "%s/@user", side->path);
	append(side->scratch);
}

/* Each thread of a directory in turn. */
static void run_append_each(struct side *side)
{
	snprintf(side->scratch, sizeof side->scratch, "%s/@user", name_next(side));
	append(side->scratch);
}

static void run_log(struct side *side)
{
	if (side->fd < 0)
		side->fd = open(side->path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	check(write(side->fd, text, TEXT) == TEXT, "write", side->path);
	check(fdatasync(side->fd) == 0, "fdatasync", side->path);
}

/* Reads all, writes all to another file, syncs, renames: the bytes of a rewrite, without JSON. */
static void run_rewrite(struct side *side)
{
	int fd = open(side->path, O_RDONLY);
	check(fd >= 0, "open", side->path);
	ssize_t n = read(fd, buffer, sizeof buffer);
	close(fd);
	snprintf(side->scratch, sizeof side->scratch, "%s.tmp", side->path);
	fd = open(side->scratch, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	check(fd >= 0 && write(fd, buffer, (size_t)n) == n, "write", side->scratch);
	check(fsync(fd) == 0 && close(fd) == 0, "fsync", side->scratch);
	check(rename(side->scratch, side->path) == 0, "rename", side->path);
}

static void run_program(struct side *side)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	check(posix_spawnp(&pid, side->argv[0], &actions, NULL, side->argv, environ) == 0, "spawn",
		side->argv[0]);
	check(waitpid(pid, &status, 0) == pid && status == 0, side->argv[0], side->path);
	posix_spawn_file_actions_destroy(&actions);
}

static const struct op {
	const char *name;
	void (*run)(struct side *side);
	void (*prepare)(struct side *side);
	enum { NOTHING, TURNS, THREADS } load;
} ops[] = {
	{"stat", run_stat, NULL, TURNS},
	{"lsl", run_lsl, NULL, NOTHING},
	{"ls", run_ls, NULL, NOTHING},
	{"read", run_read, NULL, TURNS},
	{"readall", run_read_all, NULL, TURNS},
	{"cat", run_cat, NULL, TURNS},
	{"slurp", run_slurp, NULL, NOTHING},
	{"create", run_create, prepare_create, NOTHING},
	{"append", run_append, NULL, NOTHING},
	{"appendeach", run_append_each, NULL, THREADS},
	{"log", run_log, NULL, NOTHING},
	{"rewrite", run_rewrite, NULL, NOTHING},
	{"ls-program", run_program, NULL, NOTHING},
	{"cat-program", run_program, NULL, TURNS},
};

static void side_init(struct side *side, const char *spec)
{
	char *copy = strdup(spec), *equals = strchr(copy, '=');
	const struct op *op = NULL;
	if (equals)
		*equals = '\0';
	for (size_t i = 0; equals && i < sizeof ops / sizeof *ops; i++)
		if (!strcmp(ops[i].name, copy))
			op = &ops[i];
	errno = EINVAL;
	check(op, "no such operation:", spec);
	*side = (struct side){.run = op->run, .prepare = op->prepare, .path = equals + 1, .fd = -1};
	if (op->load != NOTHING)
		names_load(side, op->load == THREADS);
	if (!strcmp(op->name, "ls-program")) {
		side->argv[0] = "ls";
		side->argv[1] = "-l";
		side->argv[2] = (char *)side->path;
	} else if (!strcmp(op->name, "cat-program")) {
		side->argv[0] = "cat";
		memcpy(side->argv + 1, side->names, side->count * sizeof *side->names);
	}
}

static double side_time(struct side *side, int batch)
{
	if (side->prepare)
		side->prepare(side);
	int64_t begun = now();
	for (int i = 0; i < batch; i++)
		side->run(side);
	return (double)(now() - begun) / batch;
}

/* hot pair ROUNDS BATCH A B: one untimed round, then A B B A A B …; ns a call. */
static int pair(char **argv)
{
	int rounds = atoi(argv[0]), batch = atoi(argv[1]);
	static struct side sides[2];
	double *times[2];
	for (int s = 0; s < 2; s++) {
		side_init(&sides[s], argv[2 + s]);
		times[s] = calloc((size_t)rounds, sizeof **times);
		side_time(&sides[s], batch < 20 ? batch : 20);
	}
	for (int i = 0; i < rounds; i++)
		for (int n = 0; n < 2; n++) {
			int s = n ^ (i & 1);
			times[s][i] = side_time(&sides[s], batch);
		}
	for (int s = 0; s < 2; s++) {
		printf("%s\"%c\": [", s ? ", " : "{", 'a' + s);
		for (int i = 0; i < rounds; i++)
			printf("%s%.0f", i ? "," : "", times[s][i]);
		printf("]");
	}
	printf("}\n");
	return 0;
}

struct writer {
	pthread_t thread;
	char path[1024];
	int64_t end;
	long done;
};

static void *write_on(void *arg)
{
	struct writer *writer = arg;
	for (; now() < writer->end; writer->done++)
		append(writer->path);
	return NULL;
}

/* hot writers DIR N SECONDS: N threads append to DIR/w00 … at the same time; appends a second. */
static int writers(char **argv)
{
	int count = atoi(argv[1]);
	struct writer *all = calloc((size_t)count, sizeof *all);
	int64_t begun = now(), end = begun + (int64_t)(atof(argv[2]) * 1e9);
	long done = 0;
	for (int i = 0; i < count; i++) {
		snprintf(all[i].path, sizeof all[i].path, "%s/w%02d/@user", argv[0], i);
		all[i].end = end;
		pthread_create(&all[i].thread, NULL, write_on, &all[i]);
	}
	for (int i = 0; i < count; i++) {
		pthread_join(all[i].thread, NULL);
		done += all[i].done;
	}
	printf("{\"rate\": %.1f}\n", (double)done * 1e9 / (double)(now() - begun));
	return 0;
}

/*
 * hot watch: lines "DEADLINE_NS PATH" on stdin, in order. For each: ns after the deadline at which
 * the first call that failed ended, and at which the last that still found it began (< 0: none
 * late). Only the second is the mount's; between the two this process may not have been running.
 */
static int watch(void)
{
	long long deadline;
	char path[1024];
	const char *comma = "[";
	while (scanf("%lld %1023s", &deadline, path) == 2) {
		struct stat st;
		int64_t wait = deadline - now_of(CLOCK_REALTIME) - 30000000;
		if (wait > 0)
			nanosleep(&(struct timespec){wait / 1000000000, wait % 1000000000}, NULL);
		int64_t seen = deadline - 1, at = now_of(CLOCK_REALTIME);
		for (; lstat(path, &st) == 0; at = now_of(CLOCK_REALTIME))
			seen = at;
		check(errno == ENOENT, "lstat", path);
		printf("%s[%lld,%lld]", comma, (long long)(now_of(CLOCK_REALTIME) - deadline),
			(long long)(seen - deadline));
		comma = ",";
	}
	puts("]");
	return 0;
}

/* hot mixed DIR END_NS: stat, read, list and append till then; [[kind, when, ns], …]. */
static int mixed(char **argv)
{
	const char *kinds[] = {"stat", "read", "ls", "append"};
	struct side sides[4];
	int64_t end = atoll(argv[1]);
	const char *comma = "[";
	for (int k = 0; k < 4; k++) {
		char *spec;
		check(asprintf(&spec, "%s=%s", kinds[k], argv[0]) > 0, "asprintf", "");
		side_init(&sides[k], spec);
	}
	for (int i = 0; now_of(CLOCK_REALTIME) < end; i++) {
		int64_t at = now_of(CLOCK_REALTIME), begun = now();
		sides[i % 4].run(&sides[i % 4]);
		printf("%s[%d,%lld,%lld]", comma, i % 4, (long long)at, (long long)(now() - begun));
		comma = ",";
		if (i % 4 == 3)
			usleep(500);
	}
	puts("]");
	return 0;
}

int main(int argc, char **argv)
{
	text_init();
	if (argc == 6 && !strcmp(argv[1], "pair"))
		return pair(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "writers"))
		return writers(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "watch"))
		return watch();
	if (argc == 4 && !strcmp(argv[1], "mixed"))
		return mixed(argv + 2);
	fputs("usage: hot pair ROUNDS BATCH A B | writers DIR N SECONDS | watch | mixed DIR END\n",
		stderr);
	return 2;
}
