/* A false server: what it says is checked, bounded and never believed (S3). */
#include "net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static struct proxy proxy;
static struct net net;

static long peak_mb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

static void test_S3__garbage_and_absurd_lengths__are_EIO_and_cost_nothing(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 400 Bad Request\r\n\r\n",
		"\n\n\n",
		"*1000000000\r\n",
		"*2\r\n*2000000\r\n*4000000\r\n",
		"*-7\r\n",
		"*99999999999999999999\r\n",
		"$-5\r\n",
		":12x4\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
	};
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		proxy_start(&proxy, server.path);
		net_open(&net, "", proxy.path, 1000);
		assert_int_equal(net_get(&net, "k"), 0);
		long before = peak_mb();
		proxy.answer = answers[i];
		proxy_set(&proxy, PROXY_ANSWER, 1);
		int64_t start = now_ms();
		long long rc = net_get(&net, "k");
		if (rc != -EIO)
			fail_msg("%s: %lld", answers[i], rc);
		assert_in_range(now_ms() - start, 0, 400);
		assert_in_range(peak_mb() - before, 0, 100);
		assert_int_equal(net_get(&net, "k"), 0);
		net_close(&net);
		proxy_stop(&proxy);
	}
	assert_in_range(log_lines("what no Redis server does"), 1, COUNT_OF(answers));
}

/* Arrays in arrays without end: who frees them one in another would run out of stack. */
static void test_S3__arrays_nested_without_end__are_EIO(void **state)
{
	static const unsigned depth = 2000000;
	char *answer = malloc(depth * 4 + 1);

	for (unsigned i = 0; i < depth; i++)
		memcpy(answer + i * 4, "*1\r\n", 4);
	answer[depth * 4] = '\0';
	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, 5000);
	assert_int_equal(net_get(&net, "k"), 0);
	proxy.answer = answer;
	proxy_set(&proxy, PROXY_ANSWER, 1);
	assert_int_equal(net_get(&net, "k"), -EIO);
	net_close(&net);
	proxy_stop(&proxy);
	free(answer);
}

static void test_S3__a_length_that_never_comes__ends_with_the_timeout(void **state)
{
	static const char *const answers[] = {
		"$9999999999\r\nabc", "*4000000\r\n:1\r\n", "+no end", "$3\r\nab"};
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		proxy_start(&proxy, server.path);
		net_open(&net, "", proxy.path, 400);
		assert_int_equal(net_get(&net, "k"), 0);
		proxy.answer = answers[i];
		proxy_set(&proxy, PROXY_ANSWER, 100);
		int64_t start = now_ms();
		assert_true(net_get(&net, "k") < 0);
		assert_in_range(now_ms() - start, 0, 600);
		net_close(&net);
		proxy_stop(&proxy);
	}
}

static void test_S3__a_false_answer_to_a_write__its_outcome_is_asked(void **state)
{
	proxy_start(&proxy, server.path);
	net_open(&net, "", proxy.path, 2000);
	assert_int_equal(net_count(&net, "k"), 1);
	proxy.answer = "*1000000000\r\n";
	proxy_set(&proxy, PROXY_ANSWER, 1);
	assert_int_equal(net_count(&net, "k"), 2); /* it was not done, and sent anew */
	assert_int_equal(server_do(&server, "GET k"), 2);
	net_close(&net);
	proxy_stop(&proxy);
}

const struct CMUnitTest false_tests[] = {
	cmocka_unit_test(test_S3__garbage_and_absurd_lengths__are_EIO_and_cost_nothing),
	cmocka_unit_test(test_S3__arrays_nested_without_end__are_EIO),
	cmocka_unit_test(test_S3__a_length_that_never_comes__ends_with_the_timeout),
	cmocka_unit_test(test_S3__a_false_answer_to_a_write__its_outcome_is_asked),
};
const size_t false_count = COUNT_OF(false_tests);
