/* Writes whose connection breaks before the answer has come: done exactly once (F1). */
#include "net.h"

#include <errno.h>

static struct proxy proxy;
static struct net net;

/* A pool behind the proxy; all scripts but the lookup are loaded. */
static void open_behind_proxy(int timeout_ms)
{
	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, timeout_ms);
	assert_int_equal(net_count(&net, "k"), 1);
}

static void close_behind_proxy(void)
{
	net_close(&net);
	proxy_stop(&proxy);
}

static void test_F1__the_answer_is_lost__the_write_was_done_once_and_is_answered(void **state)
{
	open_behind_proxy(3000);
	proxy_set(&proxy, PROXY_CUT_REPLY, 1);
	assert_int_equal(net_count(&net, "k"), 2);
	assert_int_equal(proxy.left, 0);
	assert_int_equal(server_do(&server, "GET k"), 2);
	assert_int_equal(net_count(&net, "k"), 3);
	close_behind_proxy();
}

static void test_F1__the_request_is_lost__the_write_is_sent_anew(void **state)
{
	open_behind_proxy(3000);
	proxy_set(&proxy, PROXY_CUT_REQUEST, 1);
	assert_int_equal(net_count(&net, "k"), 2);
	assert_int_equal(proxy.left, 0);
	assert_int_equal(server_do(&server, "GET k"), 2);
	close_behind_proxy();
}

static void test_F1__the_lookups_answer_is_lost_too__it_is_asked_again(void **state)
{
	open_behind_proxy(3000);
	proxy_set(&proxy, PROXY_CUT_REPLY, 3);
	assert_int_equal(net_count(&net, "k"), 2);
	assert_int_equal(proxy.left, 0);
	assert_int_equal(server_do(&server, "GET k"), 2);
	close_behind_proxy();
}

static void test_F1__the_request_comes_late__it_does_nothing_any_more(void **state)
{
	open_behind_proxy(3000);
	proxy_set(&proxy, PROXY_HOLD, 1);
	assert_int_equal(net_count(&net, "k"), 2);
	proxy_release(&proxy);
	assert_int_equal(server_do(&server, "GET k"), 2);
	close_behind_proxy();
}

static void test_F1__a_connection_goes_silent__another_one_tells(void **state)
{
	open_behind_proxy(1000);
	int64_t start = now_ms();
	proxy_set(&proxy, PROXY_STALL, 1);
	assert_int_equal(net_count(&net, "k"), 2);
	assert_in_range(now_ms() - start, 400, 900);
	assert_int_equal(server_do(&server, "GET k"), 2);
	start = now_ms();
	proxy_set(&proxy, PROXY_STALL, 1);
	assert_int_equal(net_get(&net, "k"), 2);
	assert_in_range(now_ms() - start, 400, 900);
	close_behind_proxy();
}

static void test_F1__nobody_can_be_asked__the_outcome_is_unknown_and_said_so(void **state)
{
	open_behind_proxy(400);
	proxy_set(&proxy, PROXY_CUT_REPLY, 1000);
	int64_t start = now_ms();
	assert_int_equal(net_count(&net, "k"), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 300, 600);
	assert_int_equal(log_lines("is not known"), 1);
	proxy_set(&proxy, PROXY_PASS, 0);
	assert_int_equal(net_count(&net, "k"), 3); /* it had been done */
	close_behind_proxy();
}

static void test_F1__a_read_is_lost__it_is_made_again(void **state)
{
	open_behind_proxy(3000);
	assert_int_equal(net_get(&net, "k"), 1);
	proxy_set(&proxy, PROXY_CUT_REPLY, 2);
	assert_int_equal(net_get(&net, "k"), 1);
	assert_int_equal(proxy.left, 0);
	close_behind_proxy();
}

struct counting {
	struct net *net;
	atomic_bool stop;
	long long done;
	bool good; /* each answer was one more than the last */
};

static void *count_on(void *arg)
{
	struct counting *c = arg;

	for (c->good = true; c->good && !atomic_load(&c->stop); c->done++)
		c->good = net_count(c->net, "k") == c->done + 1;
	return NULL;
}

static void test_F1__the_server_is_killed_over_and_over__each_write_is_done_once(void **state)
{
	struct test_server own;
	struct counting c = {.net = &net};
	pthread_t thread;

	server_start(&own, program,
		(const char *[]){"--appendonly", "yes", "--appendfsync", "always", NULL});
	net_open(&net, "", own.path, 5000);
	assert_int_equal(pthread_create(&thread, NULL, count_on, &c), 0);
	for (int i = 0; i < 6; i++) {
		sleep_ms(100);
		server_kill(&own);
		server_start_again(&own);
	}
	sleep_ms(200);
	atomic_store(&c.stop, true);
	pthread_join(thread, NULL);
	assert_true(c.good);
	assert_int_equal(server_do(&own, "GET k"), c.done);
	assert_in_range(log_lines("is away"), 1, 6);
	assert_int_equal(log_lines("is away"), log_lines("is back"));
	net_close(&net);
	server_done(&own);
}

const struct CMUnitTest lost_tests[] = {
	cmocka_unit_test(test_F1__the_answer_is_lost__the_write_was_done_once_and_is_answered),
	cmocka_unit_test(test_F1__the_request_is_lost__the_write_is_sent_anew),
	cmocka_unit_test(test_F1__the_lookups_answer_is_lost_too__it_is_asked_again),
	cmocka_unit_test(test_F1__the_request_comes_late__it_does_nothing_any_more),
	cmocka_unit_test(test_F1__a_connection_goes_silent__another_one_tells),
	cmocka_unit_test(test_F1__nobody_can_be_asked__the_outcome_is_unknown_and_said_so),
	cmocka_unit_test(test_F1__a_read_is_lost__it_is_made_again),
	cmocka_unit_test(test_F1__the_server_is_killed_over_and_over__each_write_is_done_once),
};
const size_t lost_count = COUNT_OF(lost_tests);
