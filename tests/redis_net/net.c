/* Tests of connections to a real server: `redis_net PROGRAM [PATTERN]`; see net.h. */
#include "net.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

const char *program;
struct test_server server;
unsigned net_replicas;

static const char *pattern; /* of fnmatch(): the tests to run */
static int log_fd = -1, kept_stderr = -1;

static const struct redis_script count_script = {
	.name = "count",
	.kind = SCRIPT_WRITES,
	.text = "return finish{redis.call('INCRBY', KEYS[2], ARGV[3])}",
};

static const struct redis_script get_script = {
	.name = "get",
	.kind = SCRIPT_READS,
	.text = "return tonumber(redis.call('GET', KEYS[1]) or 0)",
};

int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(int ms)
{
	usleep((useconds_t)ms * 1000);
}

bool wait_for(bool (*condition)(void *arg), void *arg, int ms)
{
	int64_t end = now_ms() + ms;

	while (!condition(arg)) {
		if (now_ms() > end)
			return false;
		sleep_ms(2);
	}
	return true;
}

int net_try(
	struct net *net, const char *login, const char *path, int timeout_ms, struct errtext *error)
{
	static unsigned mounts; /* each has tokens of its own */
	struct redis_pool_options options = {.timeout_ms = timeout_ms, .replicas = net_replicas};
	char url[200], tokens[32];

	*net = (struct net){0};
	snprintf(tokens, sizeof(tokens), "tokens:%u", ++mounts);
	options.tokens_key = tokens;
	snprintf(url, sizeof(url), "redis+unix://%s%s", login, path);
	assert_int_equal(redis_url_parse(url, &net->url, error), 0);
	int rc = redis_pool_open(&net->url, &options, &net->pool, error);
	if (rc < 0)
		redis_url_done(&net->url);
	return rc;
}

void net_open(struct net *net, const char *login, const char *path, int timeout_ms)
{
	struct errtext error = {""};

	if (net_try(net, login, path, timeout_ms, &error) < 0)
		fail_msg("%s", error.text);
}

void net_close(struct net *net)
{
	redis_pool_close(net->pool);
	redis_url_done(&net->url);
}

static long long number_of(redisReply *reply)
{
	long long number = -1000;

	if (reply->type == REDIS_REPLY_INTEGER)
		number = reply->integer;
	else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
		number = reply->element[0]->integer;
	freeReplyObject(reply);
	return number;
}

static long long count(struct net *net, const char *key, bool durable)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;

	redis_args_add(&args, key);
	redis_args_add_number(&args, 1);
	int rc = redis_write(net->pool, &count_script, 1, &args, durable, key, &reply);
	return rc < 0 ? rc : number_of(reply);
}

long long net_count(struct net *net, const char *key)
{
	return count(net, key, false);
}

long long net_count_durably(struct net *net, const char *key)
{
	return count(net, key, true);
}

long long net_get(struct net *net, const char *key)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;

	redis_args_add(&args, key);
	int rc = redis_read_script(net->pool, &get_script, 1, &args, key, &reply);
	return rc < 0 ? rc : number_of(reply);
}

int net_ping(struct net *net)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;

	redis_args_add(&args, "ECHO");
	redis_args_add(&args, "here");
	int rc = redis_read(net->pool, &args, "", &reply);
	if (rc < 0)
		return rc;
	assert_string_equal(reply->str, "here");
	freeReplyObject(reply);
	return 0;
}

void log_catch(void)
{
	char path[] = "/var/tmp/turnfs-net-log-XXXXXX";

	log_fd = mkostemp(path, O_CLOEXEC);
	unlink(path);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	dup2(log_fd, STDERR_FILENO);
}

unsigned log_lines(const char *text)
{
	char log[65536] = "";
	unsigned count = 0;

	if (pread(log_fd, log, sizeof(log) - 1, 0) < 0)
		return 0;
	for (char *cursor = log, *line; (line = strsep(&cursor, "\n"));)
		count += strstr(line, text) != NULL;
	return count;
}

void log_let(void)
{
	char log[65536];
	ssize_t size = pread(log_fd, log, sizeof(log), 0);

	if (kept_stderr < 0)
		return;
	if (getenv("SHOW_LOG") && size > 0 && write(kept_stderr, log, (size_t)size) < 0)
		fail();
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	close(log_fd);
	log_fd = kept_stderr = -1;
}

static int begin(void **state)
{
	if (server.pid == 0)
		server_start(&server, program, (const char *[]){"--save", "", NULL});
	server_do(&server, "FLUSHALL");
	net_replicas = 0;
	log_catch();
	return 0;
}

static int end(void **state)
{
	log_let();
	return 0;
}

/* Each test by itself, so that one that fails leaves no broken server to the next one. */
static int run(const struct CMUnitTest *tests, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		struct CMUnitTest one[] = {tests[i]};
		if (fnmatch(pattern, tests[i].name, 0) != 0)
			continue;
		one[0].setup_func = begin;
		one[0].teardown_func = end;
		int bad = cmocka_run_group_tests_name(tests[i].name, one, NULL, NULL);
		if (bad)
			server_done(&server);
		failed += bad;
	}
	return failed;
}

/* Whether turnfs was built with it. */
static bool has_tls(void)
{
	const struct redis_pool_options options = {.timeout_ms = 1000, .tokens_key = "t"};
	struct redis_pool *pool;
	struct redis_url url;
	struct errtext error = {""};

	assert_int_equal(redis_url_parse("rediss://127.0.0.1:1", &url, &error), 0);
	int rc = redis_pool_open(&url, &options, &pool, &error);
	redis_url_done(&url);
	if (rc == -EINVAL)
		fprintf(stderr, "skipped: TLS: %s\n", error.text);
	return rc != -EINVAL;
}

int main(int argc, char **argv)
{
	program = argc > 1 ? argv[1] : "redis-server";
	pattern = argc > 2 ? argv[2] : "*";
	if (!server_is_there(program)) {
		fprintf(stderr, "skipped: %s is not installed (scripts/setup test)\n", program);
		return 77; /* meson's "skipped" */
	}
	log_init(false, LOG_LEVEL_NOTICE);
	int failed = run(calls_tests, calls_count) + run(lost_tests, lost_count) +
		     run(away_tests, away_count) + run(refused_tests, refused_count) +
		     run(false_tests, false_count) + run(watch_tests, watch_count) +
		     run(replicas_tests, replicas_count) +
		     (has_tls() ? run(tls_tests, tls_count) : 0);
	server_done(&server);
	return failed > 0;
}
