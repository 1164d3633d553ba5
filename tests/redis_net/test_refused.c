/* What a server answers with an error, as -errno (F2), each from a real server. */
#include "net.h"

#include "redis/net/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct net net;

static void test_F2__memory_full__is_ENOSPC_and_passes(void **state)
{
	net_open(&net, "", server.path, 1000);
	assert_int_equal(net_count(&net, "k"), 1);
	server_do(&server, "CONFIG SET maxmemory 1");
	assert_int_equal(net_count(&net, "k"), -ENOSPC);
	assert_int_equal(net_count(&net, "k"), -ENOSPC);
	assert_int_equal(net_get(&net, "k"), 1);
	assert_int_equal(log_lines("OOM"), 1);
	assert_int_equal(log_lines("thread k: "), 1);
	server_do(&server, "CONFIG SET maxmemory 0");
	assert_int_equal(net_count(&net, "k"), 2);
	net_close(&net);
}

static void test_F2__a_replica__is_EROFS_after_one_more_connection(void **state)
{
	struct proxy proxy;

	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, 1000);
	assert_int_equal(net_count(&net, "k"), 1);
	server_do(&server, "REPLICAOF 127.0.0.1 1");
	int before = proxy.connections;
	assert_int_equal(net_count(&net, "k"), -EROFS);
	assert_int_equal(proxy.connections - before, 1);
	assert_int_equal(log_lines("READONLY"), 1);
	server_do(&server, "REPLICAOF NO ONE");
	assert_int_equal(net_count(&net, "k"), 2);
	net_close(&net);
	proxy_stop(&proxy);
}

static void test_F2__a_key_of_another_kind__is_EIO(void **state)
{
	net_open(&net, "", server.path, 1000);
	server_do(&server, "RPUSH k secret-text");
	assert_int_equal(net_get(&net, "k"), -EIO);
	assert_int_equal(net_count(&net, "k"), -EIO);
	assert_int_equal(log_lines("WRONGTYPE"), 1);
	assert_int_equal(log_lines("secret"), 0);
	net_close(&net);
}

static void test_F2__a_script_with_a_mistake__is_EIO_and_its_line_is_logged(void **state)
{
	static const struct redis_script script = {
		"mistaken", SCRIPT_READS, "local x = 1\nreturn x .. ARGV[1] + {}"};
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;

	net_open(&net, "", server.path, 1000);
	redis_args_add(&args, "secret-text");
	assert_int_equal(redis_read_script(net.pool, &script, 0, &args, "t", &reply), -EIO);
	assert_int_equal(log_lines("(script mistaken, line 2)"), 1);
	assert_int_equal(log_lines("secret"), 0);
	net_close(&net);
}

/* Server `own` with a password and a user of little power. */
static void start_with_password(struct test_server *own)
{
	server_start(own, program,
		(const char *[]){"--requirepass", "hidden-1", "--user", "small", "on", ">hidden-2",
			"~*", "+@read", "+ping", "+script", "+evalsha", NULL});
}

static void test_F2__password_and_acl__are_EACCES_and_never_shown(void **state)
{
	static const char *const wrong[] = {"", ":hidden-9@", "small:hidden-1@", "none:hidden-1@"};
	struct errtext error;
	struct test_server own;

	start_with_password(&own);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_int_equal(net_try(&net, wrong[i], own.path, 1000, &error), -EACCES);
		assert_null(strstr(error.text, "hidden"));
	}
	net_open(&net, ":hidden-1@", own.path, 1000);
	assert_int_equal(net_count(&net, "k"), 1);
	net_close(&net);
	net_open(&net, "small:hidden-2@", own.path, 1000);
	assert_int_equal(net_count(&net, "k"), -EACCES);
	assert_int_equal(net_count(&net, "k"), -EACCES);
	assert_int_equal(log_lines("NOPERM"), 1);
	assert_int_equal(log_lines("hidden"), 0);
	net_close(&net);
	server_done(&own);
}

static void test_F2__the_password_is_changed__calls_are_EACCES_at_once(void **state)
{
	struct test_server own;

	start_with_password(&own);
	net_open(&net, ":hidden-1@", own.path, 3000);
	redisContext *c = redisConnectUnix(own.path);
	freeReplyObject(redisCommand(c, "AUTH hidden-1"));
	freeReplyObject(redisCommand(c, "CONFIG SET requirepass hidden-3"));
	freeReplyObject(redisCommand(c, "CLIENT KILL TYPE normal SKIPME yes"));
	int64_t start = now_ms();
	assert_int_equal(net_ping(&net), -EACCES);
	assert_int_equal(net_count(&net, "k"), -EACCES);
	assert_in_range(now_ms() - start, 0, 500);
	assert_int_equal(log_lines("hidden"), 0);
	freeReplyObject(redisCommand(c, "CONFIG SET requirepass hidden-1"));
	sleep_ms(120);
	assert_int_equal(net_ping(&net), 0);
	redisFree(c);
	net_close(&net);
	server_done(&own);
}

/* A connection on which a script runs that never ends. */
static redisContext *keep_busy(void)
{
	redisContext *c = redisConnectUnix(server.path);
	int done = 0;

	redisAppendCommand(c, "EVAL %s 0", "while true do end");
	redisBufferWrite(c, &done);
	sleep_ms(150);
	return c;
}

static void *kill_script_later(void *arg)
{
	sleep_ms(300);
	server_do(&server, "SCRIPT KILL");
	return NULL;
}

static void test_F2__busy__is_retried_until_it_passes_or_EIO(void **state)
{
	pthread_t thread;

	net_open(&net, "", server.path, 600);
	assert_int_equal(net_count(&net, "k"), 1);
	server_do(&server, "CONFIG SET lua-time-limit 50");
	redisContext *c = keep_busy();
	assert_int_equal(net_get(&net, "k"), -EIO);
	assert_int_equal(net_count(&net, "k"), -EIO);
	assert_int_equal(log_lines("BUSY"), 1);
	net_close(&net);
	assert_int_equal(pthread_create(&thread, NULL, kill_script_later, NULL), 0);
	net_open(&net, "", server.path, 5000);
	assert_int_equal(net_count(&net, "k"), 2);
	pthread_join(thread, NULL);
	redisFree(c);
	server_do(&server, "CONFIG SET lua-time-limit 5000");
	net_close(&net);
}

static void test_F2__loading__is_waited_for(void **state)
{
	struct test_server own;

	server_start(&own, program,
		(const char *[]){
			"--loading-process-events-interval-bytes", "1024", "--save", "", NULL});
	net_open(&net, "", own.path, 5000);
	assert_int_equal(net_count(&net, "k"), 1);
	server_do(&own, "DEBUG POPULATE 3000 key 100");
	server_do(&own, "SAVE");
	server_kill(&own);
	own.args[4] = "--key-load-delay";
	own.args[5] = "300"; /* us for each */
	server_start_again(&own);
	redisReply *reply = server_ask(&own, "GET k");
	assert_non_null(strstr(reply->str, "LOADING"));
	freeReplyObject(reply);
	assert_int_equal(net_count(&net, "k"), 2);
	net_close(&net);
	server_done(&own);
}

static void *more_clients_later(void *arg)
{
	sleep_ms(300);
	freeReplyObject(redisCommand(arg, "CONFIG SET maxclients 100"));
	return NULL;
}

static void test_F2__too_many_clients__is_retried_then_EIO(void **state)
{
	struct net second;
	struct errtext error = {""};
	pthread_t thread;

	net_open(&net, "", server.path, 600);
	redisContext *c = redisConnectUnix(server.path);
	freeReplyObject(redisCommand(c, "CONFIG SET maxclients 2"));
	assert_int_equal(net_try(&second, "", server.path, 300, &error), -EIO);
	assert_non_null(strstr(error.text, "maxclients"));
	assert_int_equal(net_ping(&net), 0);
	assert_true(redis_pool_is_up(net.pool, NULL));
	assert_int_equal(pthread_create(&thread, NULL, more_clients_later, c), 0);
	assert_int_equal(net_try(&second, "", server.path, 2000, &error), 0);
	pthread_join(thread, NULL);
	net_close(&second);
	freeReplyObject(redisCommand(c, "CONFIG SET maxclients 1000"));
	redisFree(c);
	net_close(&net);
}

static bool snapshot_failed(void *arg)
{
	redisReply *info = server_ask(arg, "INFO persistence");
	bool failed = strstr(info->str, "rdb_last_bgsave_status:err");

	freeReplyObject(info);
	return failed;
}

static void test_F2__the_disk_fails__is_ENOSPC_and_named_in_words(void **state)
{
	struct test_server own;
	struct redis_server said;
	char file[80];

	server_start(&own, program, (const char *[]){"--save", "3600 1", NULL});
	net_open(&net, "", own.path, 1000);
	assert_int_equal(net_count(&net, "k"), 1);
	snprintf(file, sizeof(file), "%s/dump.rdb", own.folder);
	assert_int_equal(mkdir(file, 0700), 0); /* no snapshot can be renamed to that */
	server_do(&own, "BGSAVE");
	assert_true(wait_for(snapshot_failed, &own, 3000));
	assert_int_equal(net_count(&net, "k"), -ENOSPC);
	assert_int_equal(log_lines("MISCONF"), 1);
	assert_int_equal(redis_server_read(net.pool, 0, &said), 0);
	assert_true(said.write_refused);
	assert_int_equal(said.error, -ENOSPC);
	assert_non_null(strstr(said.problem, "its last snapshot failed"));
	net_close(&net);
	server_done(&own);
}

const struct CMUnitTest refused_tests[] = {
	cmocka_unit_test(test_F2__memory_full__is_ENOSPC_and_passes),
	cmocka_unit_test(test_F2__a_replica__is_EROFS_after_one_more_connection),
	cmocka_unit_test(test_F2__a_key_of_another_kind__is_EIO),
	cmocka_unit_test(test_F2__a_script_with_a_mistake__is_EIO_and_its_line_is_logged),
	cmocka_unit_test(test_F2__password_and_acl__are_EACCES_and_never_shown),
	cmocka_unit_test(test_F2__the_password_is_changed__calls_are_EACCES_at_once),
	cmocka_unit_test(test_F2__busy__is_retried_until_it_passes_or_EIO),
	cmocka_unit_test(test_F2__loading__is_waited_for),
	cmocka_unit_test(test_F2__too_many_clients__is_retried_then_EIO),
	cmocka_unit_test(test_F2__the_disk_fails__is_ENOSPC_and_named_in_words),
};
const size_t refused_count = COUNT_OF(refused_tests);
