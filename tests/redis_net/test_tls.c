/* rediss://: the chain and the name of the server are verified, and the handshake is bounded (S4).
 */
#include "net.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct test_server own; /* with TLS on `port`, and its unix socket without */
static char certificate[100], key[100], port[8];

/* A certificate that signs itself, for a name as subjectAltName has it. */
static bool make_certificate(const char *name)
{
	char alt[100];
	pid_t pid;
	int status = -1;

	snprintf(alt, sizeof(alt), "subjectAltName=%s", name);
	char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=turnfs test",
		"-addext", alt, "-keyout", key, "-out", certificate, NULL};
	if (posix_spawnp(&pid, "openssl", NULL, NULL, argv, environ) != 0)
		return false;
	waitpid(pid, &status, 0);
	return status == 0;
}

/* false: this machine cannot, the test is skipped. */
static bool tls_server_start(const char *name)
{
	snprintf(certificate, sizeof(certificate), "%s/cert.pem", server.folder);
	snprintf(key, sizeof(key), "%s/key.pem", server.folder);
	if (!make_certificate(name))
		return false;
	snprintf(port, sizeof(port), "%d", loopback_port());
	server_start(&own, program,
		(const char *[]){"--tls-port", port, "--tls-cert-file", certificate,
			"--tls-key-file", key, "--tls-ca-cert-file", certificate,
			"--tls-auth-clients", "no", "--bind", "127.0.0.1", NULL});
	return true;
}

static int try(const char *scheme, const char *host, const char *at, int timeout_ms,
	struct net *net, struct errtext *error)
{
	const struct redis_pool_options options = {
		.timeout_ms = timeout_ms, .tokens_key = "tokens"};
	char url[100];

	snprintf(url, sizeof(url), "%s://%s:%s", scheme, host, at);
	assert_int_equal(redis_url_parse(url, &net->url, error), 0);
	int rc = redis_pool_open(&net->url, &options, &net->pool, error);
	if (rc < 0)
		redis_url_done(&net->url);
	return rc;
}

static void expect_refused(const char *host, const char *says)
{
	struct errtext error = {""};
	struct net net;

	assert_int_equal(try("rediss", host, port, 2000, &net, &error), -EACCES);
	if (!strstr(error.text, says))
		fail_msg("%s", error.text);
}

static void expect_good(const char *host)
{
	struct errtext error = {""};
	struct net net;

	if (try("rediss", host, port, 3000, &net, &error) < 0)
		fail_msg("%s", error.text);
	assert_true(net_count(&net, "k") > 0);
	net_close(&net);
}

static void test_S4__a_good_certificate__passes_for_its_name_alone(void **state)
{
	if (!tls_server_start("DNS:localhost"))
		skip();
	setenv("SSL_CERT_FILE", certificate, 1);
	expect_good("localhost");
	expect_refused("127.0.0.1", "IP address mismatch");
	unsetenv("SSL_CERT_FILE");
	expect_refused("localhost", "self-signed");
	server_done(&own);
}

static void test_S4__a_certificate_for_another_host__is_refused(void **state)
{
	if (!tls_server_start("DNS:elsewhere.example"))
		skip();
	setenv("SSL_CERT_FILE", certificate, 1);
	expect_refused("localhost", "hostname mismatch");
	unsetenv("SSL_CERT_FILE");
	server_done(&own);
}

static void test_S4__a_certificate_for_an_address__passes_for_it(void **state)
{
	if (!tls_server_start("IP:127.0.0.1"))
		skip();
	setenv("SSL_CERT_FILE", certificate, 1);
	expect_good("127.0.0.1");
	expect_refused("localhost", "hostname mismatch");
	unsetenv("SSL_CERT_FILE");
	server_done(&own);
}

/* 20 MiB there and back, so that records are cut anywhere. */
static void test_S4__a_large_value_over_tls__comes_back_as_it_went(void **state)
{
	static const size_t size = 20 << 20;
	CLEAN_ARGS struct redis_args set = {0};
	CLEAN_ARGS struct redis_args get = {0};
	struct errtext error = {""};
	struct net net;
	redisReply *reply;

	if (!tls_server_start("DNS:localhost"))
		skip();
	char *value = malloc(size);
	for (size_t i = 0; i < size; i++)
		value[i] = (char)(i * 5 + i / 777);
	setenv("SSL_CERT_FILE", certificate, 1);
	if (try("rediss", "localhost", port, 8000, &net, &error) < 0)
		fail_msg("%s", error.text);
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
	unsetenv("SSL_CERT_FILE");
	server_done(&own);
}

static void test_S4__a_server_that_never_shakes_hands__ends_with_the_timeout(void **state)
{
	struct errtext error = {""};
	struct net net;
	int number, fd = loopback_listen(&number);

	assert_int_equal(listen(fd, 5), 0);
	snprintf(port, sizeof(port), "%d", number);
	int64_t start = now_ms();
	assert_int_equal(try("rediss", "127.0.0.1", port, 400, &net, &error), -ETIMEDOUT);
	assert_in_range(now_ms() - start, 350, 600);
	close(fd);
}

static void test_C4__tls_and_plain_mixed_up__is_a_clear_error(void **state)
{
	struct errtext error = {""};
	struct net net;

	if (!tls_server_start("DNS:localhost"))
		skip();
	/* Each of them may wait for the rest of what it takes for its own protocol. */
	assert_true(try("redis", "localhost", port, 500, &net, &error) < 0);
	assert_non_null(strstr(error.text, "rediss://"));
	server_done(&own);
	snprintf(port, sizeof(port), "%d", loopback_port());
	server_start(&own, program, (const char *[]){"--port", port, "--bind", "127.0.0.1", NULL});
	assert_true(try("rediss", "localhost", port, 500, &net, &error) < 0);
	assert_non_null(strstr(error.text, "no TLS"));
	server_done(&own);
}

const struct CMUnitTest tls_tests[] = {
	cmocka_unit_test(test_S4__a_good_certificate__passes_for_its_name_alone),
	cmocka_unit_test(test_S4__a_certificate_for_another_host__is_refused),
	cmocka_unit_test(test_S4__a_certificate_for_an_address__passes_for_it),
	cmocka_unit_test(test_S4__a_large_value_over_tls__comes_back_as_it_went),
	cmocka_unit_test(test_S4__a_server_that_never_shakes_hands__ends_with_the_timeout),
	cmocka_unit_test(test_C4__tls_and_plain_mixed_up__is_a_clear_error),
};
const size_t tls_count = COUNT_OF(tls_tests);
