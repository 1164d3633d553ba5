/* A server that is stopped, killed or not there: every call ends in time and heals (F1). */
#include "net.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static struct net net;

static void test_F1__a_stopped_server__calls_end_within_the_timeout(void **state)
{
	net_open(&net, "", server.path, 500);
	assert_int_equal(net_count(&net, "k"), 1);
	kill(server.pid, SIGSTOP);
	int64_t start = now_ms();
	assert_int_equal(net_count(&net, "k"), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 450, 650);
	start = now_ms();
	assert_int_equal(net_get(&net, "k"), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 0, 250); /* one who waited in vain is enough */
	kill(server.pid, SIGCONT);
	sleep_ms(150); /* so long it is not asked again */
	/* The write may be done now; it was said to be unknown. Nothing is done twice. */
	long long got = net_get(&net, "k");
	assert_in_range(got, 1, 2);
	assert_int_equal(net_count(&net, "k"), got + 1);
	assert_int_equal(log_lines("is away"), 1);
	assert_int_equal(log_lines("is back"), 1);
	net_close(&net);
}

static void test_F1__a_short_outage__calls_wait_it_out(void **state)
{
	net_open(&net, "", server.path, 4000);
	assert_int_equal(net_ping(&net), 0);
	server_kill(&server);
	server_start_again(&server);
	assert_int_equal(net_ping(&net), 0);
	net_close(&net);
}

static void *ping_once(void *arg)
{
	*(int *)arg = net_ping(&net);
	return NULL;
}

static void test_F1__it_comes_back_while_a_call_waits__the_call_succeeds(void **state)
{
	pthread_t thread;
	int rc = 1;

	net_open(&net, "", server.path, 5000);
	server_kill(&server);
	assert_int_equal(pthread_create(&thread, NULL, ping_once, &rc), 0);
	sleep_ms(300);
	int64_t start = now_ms();
	server_start_again(&server);
	pthread_join(thread, NULL);
	assert_int_equal(rc, 0);
	assert_in_range(now_ms() - start, 0, 2000);
	assert_int_equal(log_lines("is away"), 1);
	assert_int_equal(log_lines("is back"), 1);
	net_close(&net);
}

static void test_F1__a_long_outage__calls_fail_at_once_and_do_not_hammer(void **state)
{
	struct proxy proxy;
	int error = 0;

	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, 300);
	server_kill(&server); /* the proxy takes connections and ends them */
	assert_int_equal(net_ping(&net), -EIO);
	sleep_ms(350);
	int before = proxy.connections;
	int64_t start = now_ms();
	for (int i = 0; i < 200; i++)
		assert_int_equal(net_ping(&net), -EIO);
	int64_t took = now_ms() - start;
	assert_in_range(took, 0, 500);
	assert_in_range(proxy.connections - before, 0, took / 100 + 2);
	assert_false(redis_pool_is_up(net.pool, &error));
	assert_int_equal(error, -EIO);
	assert_int_equal(log_lines("is away"), 1);
	server_start_again(&server);
	sleep_ms(120);
	assert_int_equal(net_ping(&net), 0);
	assert_int_equal(log_lines("turnfs"), 2);
	net_close(&net);
	proxy_stop(&proxy);
}

static void test_R2__nothing_is_there__opening_says_so(void **state)
{
	struct errtext error = {""};

	assert_int_equal(net_try(&net, "me:secret@", "/var/tmp/none", 500, &error), -EIO);
	assert_non_null(strstr(error.text, "no such socket"));
	assert_null(strstr(error.text, "secret"));
	assert_int_equal(log_lines("turnfs"), 0);
}

static void test_F1__shutdown__calls_that_wait_end(void **state)
{
	pthread_t threads[20];
	int rcs[20];

	net_open(&net, "", server.path, 20000);
	assert_int_equal(net_ping(&net), 0);
	kill(server.pid, SIGSTOP);
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ping_once, &rcs[i]), 0);
	sleep_ms(100);
	int64_t start = now_ms();
	redis_pool_shutdown(net.pool);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(rcs[i], -ETIMEDOUT);
	}
	assert_int_equal(net_count(&net, "k"), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 0, 300);
	kill(server.pid, SIGCONT);
	net_close(&net);
}

static void test_F1__dripping_answers__do_not_outlast_the_timeout(void **state)
{
	struct proxy proxy;

	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, 600);
	assert_int_equal(net_get(&net, "k"), 0);
	proxy.drip_us = 1000;
	proxy_set(&proxy, PROXY_DRIP, 1);
	server_do(&server, "SET k 123456"); /* ":123456\r\n" takes 10 ms and more */
	assert_int_equal(net_get(&net, "k"), 123456);
	proxy.drip_us = 150000;
	proxy_set(&proxy, PROXY_DRIP, 1);
	int64_t start = now_ms();
	assert_int_equal(net_get(&net, "k"), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 550, 750);
	net_close(&net);
	proxy_stop(&proxy);
}

static void test_F1__a_name_that_is_not_known__is_a_clear_error(void **state)
{
	struct redis_url url;
	struct redis_pool *pool;
	struct errtext error = {""};
	const struct redis_pool_options options = {.timeout_ms = 2000, .tokens_key = "t"};

	assert_int_equal(redis_url_parse("redis://:pw@none.invalid", &url, &error), 0);
	int64_t start = now_ms();
	int rc = redis_pool_open(&url, &options, &pool, &error);
	assert_true(rc == -EIO || rc == -ETIMEDOUT);
	assert_in_range(now_ms() - start, 0, 2300);
	assert_non_null(strstr(error.text, "none.invalid"));
	redis_url_done(&url);
	assert_int_equal(redis_url_parse("redis://127.0.0.1:1/0", &url, &error), 0);
	assert_int_equal(redis_pool_open(&url, &options, &pool, &error), -EIO);
	assert_non_null(strstr(error.text, "refused"));
	redis_url_done(&url);
}

const struct CMUnitTest away_tests[] = {
	cmocka_unit_test(test_F1__a_stopped_server__calls_end_within_the_timeout),
	cmocka_unit_test(test_F1__a_short_outage__calls_wait_it_out),
	cmocka_unit_test(test_F1__it_comes_back_while_a_call_waits__the_call_succeeds),
	cmocka_unit_test(test_F1__a_long_outage__calls_fail_at_once_and_do_not_hammer),
	cmocka_unit_test(test_R2__nothing_is_there__opening_says_so),
	cmocka_unit_test(test_F1__shutdown__calls_that_wait_end),
	cmocka_unit_test(test_F1__dripping_answers__do_not_outlast_the_timeout),
	cmocka_unit_test(test_F1__a_name_that_is_not_known__is_a_clear_error),
};
const size_t away_count = COUNT_OF(away_tests);
