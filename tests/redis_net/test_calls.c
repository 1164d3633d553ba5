/* Calls on a healthy server: answers, scripts, many threads, large values, sync. */
#include "net.h"

#include "redis/net/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void test_F1__a_good_server__reads_and_writes_are_answered(void **state)
{
	struct net net;

	net_open(&net, "", server.path, 2000);
	assert_int_equal(net_ping(&net), 0);
	assert_int_equal(net_count(&net, "k"), 1);
	assert_int_equal(net_count(&net, "k"), 2);
	assert_int_equal(net_get(&net, "k"), 2);
	assert_true(redis_pool_is_up(net.pool, NULL));
	assert_in_range(
		redis_pool_now_ms(net.pool) - clock_now_ms(clock_steady()) + 5000, 4900, 5100);
	net_close(&net);
}

static void test_F1__scripts_forgotten__they_are_loaded_again(void **state)
{
	struct net net;

	net_open(&net, "", server.path, 2000);
	assert_int_equal(net_count(&net, "k"), 1);
	assert_int_equal(net_get(&net, "k"), 1);
	server_do(&server, "SCRIPT FLUSH");
	assert_int_equal(net_count(&net, "k"), 2);
	server_do(&server, "SCRIPT FLUSH");
	assert_int_equal(net_get(&net, "k"), 2);
	assert_int_equal(log_lines("turnfs"), 0);
	net_close(&net);
}

static void test_F2__our_script_refuses__its_name_is_the_errno_and_only_nonsense_is_logged(
	void **state)
{
	static const struct {
		struct redis_script script;
		int rc;
	} rows[] = {
		{{"exists", SCRIPT_WRITES, "return refuse('EEXIST')"}, -EEXIST},
		{{"stale", SCRIPT_WRITES, "return refuse('ESTALE')"}, -ESTALE},
		{{"none", SCRIPT_WRITES, "return refuse('ENOENT')"}, -ENOENT},
		{{"quota", SCRIPT_WRITES, "return refuse('EDQUOT')"}, -EDQUOT},
		{{"nonsense", SCRIPT_WRITES, "return refuse('NONSENSE')"}, -EIO},
	};
	struct net net;

	net_open(&net, "", server.path, 2000);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		CLEAN_ARGS struct redis_args args = {0};
		redisReply *reply;
		assert_int_equal(
			redis_write(net.pool, &rows[i].script, 0, &args, false, "t", &reply),
			rows[i].rc);
	}
	assert_int_equal(log_lines("turnfs"), 1);
	assert_int_equal(log_lines("(script nonsense)"), 1);
	net_close(&net);
}

static void *count_often(void *arg)
{
	for (int i = 0; i < 50; i++)
		if (net_count(arg, "k") < 0)
			return arg;
	return NULL;
}

static void test_F1__forty_threads__each_write_is_done_once_on_sixteen_connections(void **state)
{
	struct net net;
	pthread_t threads[40];

	net_open(&net, "", server.path, 5000);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_often, &net), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *failed;
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(server_do(&server, "GET k"), 2000);
	redisReply *info = server_ask(&server, "INFO clients");
	const char *clients = strstr(info->str, "connected_clients:");
	assert_in_range(atoi(clients + 18), 1, 17); /* and the one that asks */
	freeReplyObject(info);
	net_close(&net);
}

static void test_W9__a_large_value__comes_back_as_it_went(void **state)
{
	static const size_t size = 20 << 20;
	CLEAN_ARGS struct redis_args set = {0};
	CLEAN_ARGS struct redis_args get = {0};
	struct net net;
	redisReply *reply;
	char *value = malloc(size);

	for (size_t i = 0; i < size; i++)
		value[i] = (char)(i * 7 + i / 1000);
	net_open(&net, "", server.path, 5000);
	redis_args_add(&set, "SET");
	redis_args_add(&set, "large");
	redis_args_add_bytes(&set, value, size);
	assert_int_equal(redis_read(net.pool, &set, "", &reply), 0);
	freeReplyObject(reply);
	redis_args_add(&get, "GET");
	redis_args_add(&get, "large");
	assert_int_equal(redis_read(net.pool, &get, "", &reply), 0);
	assert_int_equal(reply->len, size);
	assert_memory_equal(reply->str, value, size);
	freeReplyObject(reply);
	free(value);
	net_close(&net);
}

static void test_S2__the_tokens__go_by_themselves_when_a_mount_dies(void **state)
{
	struct net net;

	net_open(&net, "", server.path, 2000);
	assert_int_equal(net_count(&net, "k"), 1);
	long long left = server_do(&server, "EVAL %s 0",
		"return redis.call('PTTL', redis.call('KEYS', 'tokens:*')[1])");
	assert_in_range(left, 1000, 24 * 3600 * 1000);
	net_close(&net);
}

static void test_F4__sync__waits_for_the_file_where_there_is_one(void **state)
{
	struct net net;
	struct redis_facts facts;

	net_open(&net, "", server.path, 5000);
	redis_pool_facts(net.pool, &facts);
	assert_string_equal(facts.name, strstr(program, "valkey") ? "Valkey" : "Redis");
	assert_int_equal(net_count(&net, "k"), 1);
	assert_int_equal(redis_sync(net.pool), 0); /* no file */
	server_do(&server, "CONFIG SET appendonly yes");
	server_do(&server, "CONFIG SET appendfsync everysec");
	assert_int_equal(net_count(&net, "k"), 2);
	assert_int_equal(redis_sync(net.pool), 0);
	server_do(&server, "CONFIG SET appendonly no");
	net_close(&net);
}

static void test_F4__the_server_was_started_anew__the_sync_fails_once(void **state)
{
	struct net net;
	struct redis_facts facts;

	net_open(&net, "", server.path, 5000);
	redis_pool_facts(net.pool, &facts);
	if (!facts.waitaof) {
		net_close(&net);
		skip();
	}
	assert_int_equal(net_count(&net, "k"), 1);
	server_kill(&server);
	server_start_again(&server);
	assert_int_equal(redis_sync(net.pool), -EIO);
	assert_int_equal(redis_sync(net.pool), 0);
	assert_int_equal(net_count(&net, "k"), 1);
	assert_int_equal(redis_sync(net.pool), 0);
	server_kill(&server);
	server_start_again(&server);
	assert_int_equal(redis_sync(net.pool), 0); /* all of it had been covered */
	net_close(&net);
}

static void test_R6__a_server_is_asked__and_its_promise_is_in_words(void **state)
{
	struct net net;
	struct redis_server said;
	struct redis_facts facts;
	struct errtext error = {""};

	net_open(&net, "", server.path, 2000);
	redis_pool_facts(net.pool, &facts);
	assert_int_equal(redis_server_read(net.pool, 0, &said), 0);
	assert_non_null(strstr(said.durability, "any restart of the server loses everything"));
	assert_non_null(strstr(said.problem, "CONFIG SET appendonly yes"));
	assert_int_equal(redis_server_check(&said, &facts, false, false, &error), 0);
	server_do(&server, "CONFIG SET maxmemory-policy volatile-lru");
	assert_int_equal(redis_server_read(net.pool, 0, &said), 0);
	assert_true(said.evicts);
	assert_int_equal(redis_server_check(&said, &facts, false, false, &error), -EPERM);
	assert_non_null(strstr(error.text, "CONFIG SET maxmemory-policy noeviction"));
	assert_int_equal(redis_server_check(&said, &facts, false, true, &error), 0);
	server_do(&server, "CONFIG SET maxmemory-policy noeviction");
	net_close(&net);
}

const struct CMUnitTest calls_tests[] = {
	cmocka_unit_test(test_F1__a_good_server__reads_and_writes_are_answered),
	cmocka_unit_test(test_F1__scripts_forgotten__they_are_loaded_again),
	cmocka_unit_test(
		test_F2__our_script_refuses__its_name_is_the_errno_and_only_nonsense_is_logged),
	cmocka_unit_test(test_F1__forty_threads__each_write_is_done_once_on_sixteen_connections),
	cmocka_unit_test(test_W9__a_large_value__comes_back_as_it_went),
	cmocka_unit_test(test_S2__the_tokens__go_by_themselves_when_a_mount_dies),
	cmocka_unit_test(test_F4__sync__waits_for_the_file_where_there_is_one),
	cmocka_unit_test(test_F4__the_server_was_started_anew__the_sync_fails_once),
	cmocka_unit_test(test_R6__a_server_is_asked__and_its_promise_is_in_words),
};
const size_t calls_count = COUNT_OF(calls_tests);
