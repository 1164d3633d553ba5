/* Commits that wait for replicas (WAIT): done with them, an error without, never done twice. */
#include "net.h"

#include "redis/net/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

static struct test_server master, replica;
static struct proxy proxy;
static struct net net;
static char port[8];

/* What is written comes through: that is so up to a second after both call it connected. */
static bool is_streaming(void *arg)
{
	redisReply *reply = server_ask(&replica, "GET warm");
	bool there = reply->type == REDIS_REPLY_STRING;

	freeReplyObject(reply);
	if (!there)
		server_do(&master, "SET warm 1");
	return there;
}

/* A pool, behind the proxy, on a master with one replica. */
static void start(int timeout_ms)
{
	snprintf(port, sizeof(port), "%d", loopback_port());
	server_start(&master, program,
		(const char *[]){"--port", port, "--bind", "127.0.0.1", "--save", "",
			"--repl-diskless-sync-delay", "0", NULL});
	server_start(&replica, program,
		(const char *[]){"--replicaof", "127.0.0.1", port, "--save", "", NULL});
	assert_true(wait_for(is_streaming, NULL, 10000));
	proxy_start(&proxy, master.path);
	net_replicas = 1;
	net_open(&net, "", proxy.path, timeout_ms);
}

static void stop(void)
{
	net_close(&net);
	proxy_stop(&proxy);
	server_done(&master);
	server_done(&replica);
}

static void test_W4__a_replica_has_it__the_commit_is_good(void **state)
{
	struct redis_server said;

	start(2000);
	for (int i = 1; i <= 5; i++)
		assert_int_equal(net_count_durably(&net, "k"), i);
	assert_int_equal(server_do(&replica, "GET k"), 5);
	assert_int_equal(redis_server_read(net.pool, 1, &said), 0);
	assert_non_null(strstr(said.durability, "until 1 replica has it (1 connected)"));
	stop();
}

static void test_W4__the_replica_is_stopped__the_commit_fails_in_time_though_it_was_made(
	void **state)
{
	start(1000);
	assert_int_equal(net_count_durably(&net, "k"), 1);
	kill(replica.pid, SIGSTOP);
	int64_t since = now_ms();
	assert_int_equal(net_count_durably(&net, "k"), -EIO);
	assert_in_range(now_ms() - since, 700, 1200);
	assert_int_equal(net_get(&net, "k"), 2);
	assert_int_equal(log_lines("fewer than 1 replicas"), 1);
	assert_int_equal(net_count(&net, "k"), 3); /* who does not ask is not held up */
	kill(replica.pid, SIGCONT);
	stop();
}

static void test_F1__the_answer_is_lost__the_replica_is_still_waited_for(void **state)
{
	start(2000);
	assert_int_equal(net_count_durably(&net, "k"), 1);
	proxy_set(&proxy, PROXY_CUT_REPLY, 1);
	assert_int_equal(net_count_durably(&net, "k"), 2);
	assert_int_equal(server_do(&replica, "GET k"), 2);
	kill(replica.pid, SIGSTOP);
	proxy_set(&proxy, PROXY_CUT_REPLY, 1);
	assert_int_equal(net_count_durably(&net, "k"), -EIO);
	assert_int_equal(net_get(&net, "k"), 3);
	kill(replica.pid, SIGCONT);
	stop();
}

const struct CMUnitTest replicas_tests[] = {
	cmocka_unit_test(test_W4__a_replica_has_it__the_commit_is_good),
	cmocka_unit_test(
		test_W4__the_replica_is_stopped__the_commit_fails_in_time_though_it_was_made),
	cmocka_unit_test(test_F1__the_answer_is_lost__the_replica_is_still_waited_for),
};
const size_t replicas_count = COUNT_OF(replicas_tests);
