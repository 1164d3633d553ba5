/* Redis URLs and commands: what is taken apart and put together without any server. */
#include "redis/net/args.h"
#include "redis/net/url.h"

#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(const char *got, const char *wanted)
{
	if (wanted)
		assert_string_equal(got ? got : "NULL", wanted);
	else
		assert_null(got);
}

static void test_C1__redis_urls__are_taken_apart(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
		const char *path, *user, *password;
		int db;
		bool tls;
		const char *shown;
	} rows[] = {
		{"redis://h", "h", 6379, NULL, NULL, NULL, -1, false, "redis://h"},
		{"redis://h/", "h", 6379, NULL, NULL, NULL, -1, false, "redis://h"},
		{"REDIS://h:7000/3", "h", 7000, NULL, NULL, NULL, 3, false, "redis://h:7000/3"},
		{"rediss://h:6379/0", "h", 6379, NULL, NULL, NULL, 0, true, "rediss://h/0"},
		{"redis://:pw@h", "h", 6379, NULL, NULL, "pw", -1, false, "redis://h"},
		{"redis://me:pw@h/1", "h", 6379, NULL, "me", "pw", 1, false, "redis://me@h/1"},
		{"redis://me:p%40%3a%25@h", "h", 6379, NULL, "me", "p@:%", -1, false,
			"redis://me@h"},
		{"redis://me:p@q@h", "h", 6379, NULL, "me", "p@q", -1, false, "redis://me@h"},
		{"redis://me:p:q@h", "h", 6379, NULL, "me", "p:q", -1, false, "redis://me@h"},
		{"redis://:@h", "h", 6379, NULL, NULL, NULL, -1, false, "redis://h"},
		{"redis://[::1]", "::1", 6379, NULL, NULL, NULL, -1, false, "redis://[::1]"},
		{"redis://u:p@[fe80::1]:7/2", "fe80::1", 7, NULL, "u", "p", 2, false,
			"redis://u@[fe80::1]:7/2"},
		{"redis+unix:///run/r.sock", NULL, 0, "/run/r.sock", NULL, NULL, -1, false,
			"redis+unix:///run/r.sock"},
		{"redis+unix://u:p%2f@/a@b/r?db=5", NULL, 0, "/a@b/r", "u", "p/", 5, false,
			"redis+unix://u@/a@b/r?db=5"},
		{"redis://h?db=2", "h", 6379, NULL, NULL, NULL, 2, false, "redis://h/2"},
		{"redis://h:1/5?db=2", "h", 1, NULL, NULL, NULL, 2, false, "redis://h:1/2"},
		{"unix:///run/r.sock?db=2", NULL, 0, "/run/r.sock", NULL, NULL, 2, false,
			"redis+unix:///run/r.sock?db=2"},
		{"unix://:pw@/run/r.sock", NULL, 0, "/run/r.sock", NULL, "pw", -1, false,
			"redis+unix:///run/r.sock"},
		{"redis+unix:///a%20b?db=0", NULL, 0, "/a b", NULL, NULL, 0, false,
			"redis+unix:///a b?db=0"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		struct errtext error = {""};
		if (redis_url_parse(rows[i].text, &url, &error) < 0)
			fail_msg("%s: %s", rows[i].text, error.text);
		assert_text(url.host, rows[i].host);
		assert_int_equal(url.port, rows[i].port);
		assert_text(url.path, rows[i].path);
		assert_text(url.user, rows[i].user);
		assert_text(url.password, rows[i].password);
		assert_int_equal(url.db, rows[i].db);
		assert_int_equal(url.tls, rows[i].tls);
		assert_string_equal(url.shown, rows[i].shown);
		redis_url_done(&url);
	}
}

static void test_C4__bad_redis_urls__are_refused_in_words_without_the_password(void **state)
{
	static const char *const rows[] = {"http://h", "redis:/h", "redis://", "redis://:hidden@",
		"redis://:hidden@:6379", "redis://:hidden@h:0", "redis://:hidden@h:65536",
		"redis://:hidden@h:x", "redis://:hidden@h/x", "redis://:hidden@h/-1",
		"redis://:hidden@h/99999999999", "redis://:hid%xen@h", "redis://:hidden%00@h",
		"redis://:hidden%4@h", "redis://hidden@h", "redis://:hidden@[::1",
		"redis://:hidden@[::1]x", "redis://:hidden@h?x=1", "redis://:hidden/x@h",
		"redis+unix://:hidden@x", "redis+unix:///x?ttl=hidden", "redis+unix:///x?db=hidden",
		"redis+unix://"};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url = {.port = 77};
		struct errtext error = {""};
		if (redis_url_parse(rows[i], &url, &error) != -EINVAL)
			fail_msg("%s was taken", rows[i]);
		assert_int_equal(url.port, 77); /* untouched */
		assert_true(strlen(error.text) > 10);
		assert_null(strstr(error.text, "hidden"));
	}
}

static void test_S4__a_servers_place__is_local_or_not(void **state)
{
	static const struct {
		const char *text;
		bool local;
	} rows[] = {
		{"redis+unix:///x", true},
		{"redis://localhost", true},
		{"redis://127.0.0.1", true},
		{"redis://127.9.9.9", true},
		{"redis://[::1]", true},
		{"redis://10.0.0.1", false},
		{"redis://128.0.0.1", false},
		{"redis://[::2]", false},
		{"redis://localhost.example.org", false},
		{"redis://127.0.0.1.example.org", false},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_url url;
		assert_int_equal(redis_url_parse(rows[i].text, &url, NULL), 0);
		assert_int_equal(redis_url_is_local(&url), rows[i].local);
		redis_url_done(&url);
	}
}

static void test_S3__a_commands_words__may_have_any_bytes(void **state)
{
	CLEAN_ARGS struct redis_args args = {0};
	struct blob *blob = blob_new("\0x", 2);

	for (int64_t i = 0; i < 100; i++)
		redis_args_add_number(&args, -i);
	redis_args_add(&args, "text");
	redis_args_add_bytes(&args, "a\0b", 3);
	redis_args_add_blob(&args, blob);
	redis_args_add_blob(&args, NULL);
	redis_args_add_unsigned(&args, UINT64_MAX);
	redis_args_add_number(&args, INT64_MIN);
	assert_false(args.failed);
	assert_int_equal(args.count, 106);
	assert_string_equal(args.words[0], "0");
	assert_string_equal(args.words[99], "-99");
	assert_int_equal(args.sizes[99], 3);
	assert_memory_equal(args.words[101], "a\0b", 3);
	assert_int_equal(args.sizes[102], 2);
	assert_int_equal(args.sizes[103], 0);
	assert_string_equal(args.words[104], "18446744073709551615");
	assert_string_equal(args.words[105], "-9223372036854775808");
	blob_unref(blob);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C1__redis_urls__are_taken_apart),
		cmocka_unit_test(
			test_C4__bad_redis_urls__are_refused_in_words_without_the_password),
		cmocka_unit_test(test_S4__a_servers_place__is_local_or_not),
		cmocka_unit_test(test_S3__a_commands_words__may_have_any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
