/* The parsers of the command line: options, environment files, store names, secrets, mountinfo. */
#include "args.h"
#include "base/cleanup.h"
#include "envfile.h"
#include "mountinfo.h"
#include "option_value.h"
#include "secret.h"
#include "store_name.h"
#include "terminal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct spoken {
	const char *list;
	const char *word; /* the sentence must have it */
};

static void test_C4__time_options__read_90s_30m_3h_7d(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(
		options_set_list(&options, "ttl=90s,grace=30m,warn=3h,timeout=2s", &error), 0);
	assert_int_equal(options.mount.ttl_ms, 90 * 1000);
	assert_int_equal(options.mount.grace_ms, 30 * 60 * 1000);
	assert_int_equal(options.mount.warn_ms, 3 * 3600 * 1000);
	assert_int_equal(options.mount.timeout_ms, 2000);
	assert_int_equal(options_set(&options, "ttl", "7d", &error), 0);
	assert_int_equal(options.mount.ttl_ms, INT64_C(7) * 24 * 3600 * 1000);
	assert_int_equal(options_set(&options, "ttl", "never", &error), 0);
	assert_int_equal(options.mount.ttl_ms, STORE_TTL_NEVER);
	options_done(&options);
}

static void test_C4__no_options__the_defaults_of_the_table(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(options_check(&options, false, &error), 0);
	assert_int_equal(options.mount.ttl_ms, 24 * 3600 * 1000);
	assert_int_equal(options.mount.grace_ms, 24 * 3600 * 1000);
	assert_int_equal(options.mount.warn_ms, 3600 * 1000);
	assert_int_equal(options.mount.timeout_ms, 5000);
	assert_int_equal(options.mount.max_file_size, 64 << 20);
	assert_int_equal(options.mount.announce, ANNOUNCE_AUTO);
	assert_false(options.mount.sync_fsync);
	assert_false(options.mount.read_only);
	assert_string_equal(options.ttl_source, "default");
	options_done(&options);
}

static void test_C4__all_other_options__land_in_their_place(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(options_set_list(&options,
				 "ro,sync=fsync,max_file_size=1M,allow_other,uid=1000,gid=100,"
				 "umask=027,announce=on,layout=zen,match=a\\,b,max_turns=20,"
				 "replicas=1,allow_eviction,prefix=chat:",
				 &error),
		0);
	assert_true(options.mount.read_only && options.mount.sync_fsync);
	assert_true(options.mount.allow_other && !options.mount.allow_root);
	assert_int_equal(options.mount.max_file_size, 1 << 20);
	assert_true(options.mount.uid_set && options.mount.gid_set && options.mount.umask_set);
	assert_int_equal(options.mount.uid, 1000);
	assert_int_equal(options.mount.gid, 100);
	assert_int_equal(options.mount.umask, 027);
	assert_int_equal(options.mount.announce, ANNOUNCE_ON);
	assert_string_equal(options.server.layout, "zen");
	assert_string_equal(options.server.match, "a,b");
	assert_string_equal(options.server.prefix, "chat:");
	assert_int_equal(options.server.max_turns, 20);
	assert_int_equal(options.server.replicas, 1);
	assert_true(options.server.allow_eviction);
	assert_int_equal(options_set_list(&options, "rw", &error), 0);
	assert_false(options.mount.read_only);
	options_done(&options);
}

static void test_C4__unknown_or_bad__EINVAL_and_a_sentence_with_its_name(void **state)
{
	static const struct spoken cases[] = {
		{"bogus", "bogus"},
		{"bogus=1", "bogus"},
		{"ttl", "ttl"},
		{"ttl=", "ttl"},
		{"ttl=0", "ttl=0"},
		{"ttl=5x", "ttl=5x"},
		{"ttl=-1", "ttl=-1"},
		{"ttl=1000000d", "ttl=1000000d"},
		{"grace=never", "grace"},
		{"warn=x", "warn"},
		{"timeout=0", "timeout"},
		{"timeout=2h", "timeout"},
		{"timeout=never", "timeout"},
		{"max_file_size=0", "max_file_size"},
		{"max_file_size=-1", "max_file_size"},
		{"max_file_size=2G", "max_file_size"},
		{"sync=never", "sync"},
		{"ro=2", "ro"},
		{"uid=-1", "uid"},
		{"uid=root", "uid"},
		{"uid=4294967295", "uid"},
		{"gid= 1", "gid"},
		{"umask=8", "umask"},
		{"umask=1000", "umask"},
		{"announce=maybe", "announce"},
		{"layout=none", "layout"},
		{"max_turns=1000000", "max_turns"},
		{"replicas=-1", "replicas"},
		{"dev", "dev"},
		{"suid", "nosuid"},
		{"allow_eviction=1", "allow_eviction"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_options options;
		struct errtext error = {""};
		options_init(&options);
		if (options_set_list(&options, cases[i].list, &error) != -EINVAL)
			fail_msg("%s was accepted", cases[i].list);
		if (!strstr(error.text, cases[i].word))
			fail_msg("%s: %s", cases[i].list, error.text);
		assert_null(strchr(error.text, '\n'));
		options_done(&options);
	}
}

static void test_C3__fstab_only_options__are_skipped(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(
		options_set_list(&options,
			"defaults,noauto,auto,user,users,nofail,_netdev,x-systemd.automount,"
			"x-gvfs-show,comment=x,nosuid,nodev,noatime,relatime,,ttl=1h",
			&error),
		0);
	assert_int_equal(options.mount.ttl_ms, 3600 * 1000);
	options_done(&options);
}

static void test_C1__dashes_in_a_long_name__mean_underscores(void **state)
{
	struct cli_options options;
	struct errtext error;
	bool takes_value = false;
	options_init(&options);
	assert_true(options_has("max-file-size", &takes_value) && takes_value);
	assert_true(options_has("allow-other", &takes_value) && !takes_value);
	assert_false(options_has("help", NULL));
	assert_int_equal(options_set(&options, "max-file-size", "2k", &error), 0);
	assert_int_equal(options.mount.max_file_size, 2048);
	options_done(&options);
}

static void test_C1__options_behind_a_store__are_decoded(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(
		options_set_query(&options, "ttl=2h&ro&match=a%26b%2c*&prefix=chat:&", &error), 0);
	assert_int_equal(options.mount.ttl_ms, 2 * 3600 * 1000);
	assert_true(options.mount.read_only);
	assert_string_equal(options.server.match, "a&b,*");
	assert_int_equal(options_set_query(&options, "nosuch=1", &error), -EINVAL);
	options_done(&options);
}

static void test_C4__options_that_do_not_go_together__EINVAL(void **state)
{
	static const char *const redis[] = {"prefix=x:", "layout=zen", "match=*", "max_turns=20",
		"replicas=1", "allow_eviction"};
	struct cli_options options;
	struct errtext error = {""};
	for (size_t i = 0; i < sizeof(redis) / sizeof(redis[0]); i++) {
		options_init(&options);
		assert_int_equal(options_set_list(&options, redis[i], &error), 0);
		assert_int_equal(options_check(&options, true, &error), 0);
		assert_int_equal(options_check(&options, false, &error), -EINVAL);
		assert_non_null(strstr(error.text, "Redis"));
		options_done(&options);
	}
	options_init(&options);
	assert_int_equal(
		options_set_list(&options, "prefix=turnfs:,replicas=0,allow_eviction=off", &error),
		0);
	assert_int_equal(options_check(&options, false, &error), 0);
	assert_int_equal(options_set_list(&options, "allow_other,allow_root", &error), 0);
	assert_int_equal(options_check(&options, false, &error), -EINVAL);
	options_done(&options);
}

static void test_T6__grace_with_a_layout__EINVAL_whatever_it_is_but_none(void **state)
{
	static const char *const given[] = {"layout=zen,grace=24h", "grace=1s,layout=zen"};
	struct cli_options options;
	struct errtext error = {""};
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		options_init(&options);
		assert_int_equal(options_set_list(&options, given[i], &error), 0);
		assert_int_equal(options_check(&options, true, &error), -EINVAL);
		assert_non_null(strstr(error.text, "grace"));
		options_done(&options);
	}
	options_init(&options);
	assert_int_equal(options_set_list(&options, "layout=zen,grace=0", &error), 0);
	assert_int_equal(options_check(&options, true, &error), 0);
	assert_int_equal(options.mount.grace_ms, 0);
	options_done(&options);
}

static void test_T2__hours__decimal_or_never_else_EINVAL(void **state)
{
	static const char *const bad[] = {"", "0", "0.0", "-1", "+1", "abc", "3h", "1e3", "nan",
		"inf", "0x10", "3 ", " 3", "3.", ".", "1,5", "Never", "9999999999", "0.0000001"};
	int64_t ms = 7;
	assert_int_equal(option_hours_parse("3", &ms), 0);
	assert_int_equal(ms, 3 * 3600 * 1000);
	assert_int_equal(option_hours_parse("0.5", &ms), 0);
	assert_int_equal(ms, 1800 * 1000);
	assert_int_equal(option_hours_parse("never", &ms), 0);
	assert_int_equal(ms, STORE_TTL_NEVER);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (option_hours_parse(bad[i], &ms) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	assert_int_equal(ms, STORE_TTL_NEVER);
}

static void test_T2__option_ttl_and_hours__the_option_wins(void **state)
{
	struct cli_options options;
	struct errtext error = {""};
	options_init(&options);
	assert_int_equal(options_set_hours(&options, NULL, &error), 0);
	assert_string_equal(options.ttl_source, "default");
	assert_int_equal(options_set_hours(&options, "3", &error), 0);
	assert_string_equal(options.ttl_source, "CONVERSATION_TIMEOUT_HOURS");
	assert_int_equal(options_set(&options, "ttl", "1h", &error), 0);
	assert_int_equal(options_set_hours(&options, "5", &error), 0);
	assert_int_equal(options.mount.ttl_ms, 3600 * 1000);
	assert_string_equal(options.ttl_source, "option ttl");
	options_done(&options);
}

static int read_environment(const char *text, struct environment *ret, struct errtext *error)
{
	char path[] = "/tmp/turnfs-env-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	int rc = environment_read(ret, path, error);
	unlink(path);
	return rc;
}

static void test_C1__env_file__the_forms_of_a_line(void **state)
{
	static const struct {
		const char *text, *url, *hours;
	} cases[] = {
		{"REDIS_URL=redis://h/0\nCONVERSATION_TIMEOUT_HOURS=3\n", "redis://h/0", "3"},
		{"export REDIS_URL=redis://h\r\n", "redis://h", NULL},
		{" REDIS_URL = 'redis://a#b$c' # why\n", "redis://a#b$c", NULL},
		{"REDIS_URL=\"a\\\"b\\\\c\\$d\"", "a\"b\\c$d", NULL},
		{"REDIS_URL=a#b # comment\n", "a#b", NULL},
		{"#REDIS_URL=no\nXREDIS_URL=no\nREDIS_URLX=no\nREDIS_URL\n", NULL, NULL},
		{"REDIS_URL=\nCONVERSATION_TIMEOUT_HOURS=", NULL, ""},
		{"REDIS_URL=one\nREDIS_URL=two\n", "two", NULL},
		{"OTHER=\"not closed\nREDIS_URL=x", "x", NULL},
		{"", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct environment environment = {0};
		struct errtext error = {""};
		assert_int_equal(read_environment(cases[i].text, &environment, &error), 0);
		assert_int_equal(!environment.redis_url, !cases[i].url);
		assert_int_equal(!environment.hours, !cases[i].hours);
		if (cases[i].url)
			assert_string_equal(environment.redis_url, cases[i].url);
		if (cases[i].hours)
			assert_string_equal(environment.hours, cases[i].hours);
		environment_done(&environment);
	}
}

static void test_C1__env_file__the_environment_wins(void **state)
{
	struct environment environment = {.hours = strdup("7")};
	struct errtext error = {""};
	assert_int_equal(
		read_environment("CONVERSATION_TIMEOUT_HOURS=3\nREDIS_URL=x", &environment, &error),
		0);
	assert_string_equal(environment.hours, "7");
	assert_string_equal(environment.redis_url, "x");
	environment_done(&environment);
}

static void test_S2__env_file_with_an_open_quote__names_the_line_not_the_value(void **state)
{
	struct environment environment = {0};
	struct errtext error = {""};
	int rc = read_environment("\nREDIS_URL='redis://:geheim@h\n", &environment, &error);
	assert_int_equal(rc, -EINVAL);
	assert_non_null(strstr(error.text, "line 2"));
	assert_null(strstr(error.text, "geheim"));
	environment_done(&environment);
}

static void test_C1__store_names__are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		enum store_kind kind;
		const char *where, *query;
	} cases[] = {
		{"/a/b.db", STORE_KIND_LOCAL, "/a/b.db", NULL},
		{"sqlite:/a/b.db?ttl=1h", STORE_KIND_LOCAL, "/a/b.db", "ttl=1h"},
		{"memory:", STORE_KIND_MEMORY, "memory:", NULL},
		{"memory:?ttl=1h&ro", STORE_KIND_MEMORY, "memory:", "ttl=1h&ro"},
		{"redis://h:1/0?prefix=a:", STORE_KIND_SERVER, "redis://h:1/0", "prefix=a:"},
		{"rediss://u:a?b@h", STORE_KIND_SERVER, "rediss://u:a?b@h", NULL},
		{"redis+unix:///run/r.sock", STORE_KIND_SERVER, "redis+unix:///run/r.sock", NULL},
		{"redis+unix:///r.sock?db=3", STORE_KIND_SERVER, "redis+unix:///r.sock?db=3", NULL},
		{"redis+unix:///r.sock?ttl=7d&db=3&ro", STORE_KIND_SERVER,
			"redis+unix:///r.sock?db=3", "ttl=7d&ro"},
		{"a.db?db=3", STORE_KIND_LOCAL, NULL, "db=3"},
	};
	struct errtext error = {""};
	struct store_name name;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(store_name_parse(cases[i].text, &name, &error), 0);
		assert_int_equal(name.kind, cases[i].kind);
		if (cases[i].where)
			assert_string_equal(name.where, cases[i].where);
		assert_int_equal(!name.query, !cases[i].query);
		if (cases[i].query)
			assert_string_equal(name.query, cases[i].query);
		store_name_done(&name);
	}
	assert_int_equal(store_name_parse("b.db", &name, &error), 0);
	assert_true(name.where[0] == '/' && strstr(name.where, "/b.db"));
	store_name_done(&name);
}

static void test_C1__what_is_no_store__EINVAL_and_a_sentence(void **state)
{
	static const char *const bad[] = {"", "sqlite:", "mysql://h/0", "sqllite:/a", "foo:bar"};
	struct errtext error;
	struct store_name name;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (store_name_parse(bad[i], &name, &error) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
}

static void test_R2__nothing_named__the_local_store_of_the_user(void **state)
{
	struct environment environment = {0};
	struct errtext error = {""};
	struct store_name name;
	setenv("XDG_DATA_HOME", "/x/data", 1);
	assert_int_equal(store_name_choose(NULL, &environment, &name, &error), 0);
	assert_string_equal(name.where, "/x/data/turnfs/store.db");
	assert_true(name.is_default && name.kind == STORE_KIND_LOCAL);
	store_name_done(&name);
	setenv("XDG_DATA_HOME", "", 1);
	setenv("HOME", "/x/home", 1);
	assert_int_equal(store_name_choose(NULL, &environment, &name, &error), 0);
	assert_string_equal(name.where, "/x/home/.local/share/turnfs/store.db");
	store_name_done(&name);
	environment.redis_url = strdup("redis://h/0");
	assert_int_equal(store_name_choose(NULL, &environment, &name, &error), 0);
	assert_int_equal(name.kind, STORE_KIND_SERVER);
	store_name_done(&name);
	assert_int_equal(store_name_choose("/a", &environment, &name, &error), 0);
	assert_string_equal(name.where, "/a");
	store_name_done(&name);
	environment_done(&environment);
}

static void test_S2__passwords__are_hidden(void **state)
{
	static const char *const cases[][2] = {
		{"redis://:geheim@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0"},
		{"redis://u:ge@he:i/m@h/0", "redis://u:***@h/0"},
		{"redis://geheim@h/0", "redis://***@h/0"},
		{"rediss://u:x@h", "rediss://u:*@h"},
		{"redis://h/0?password=geheim&prefix=a", "redis://h/0?password=***&prefix=a"},
		{"redis://h:1/0", "redis://h:1/0"},
		{"/home/a@b:c/store.db", "/home/a@b:c/store.db"},
		{"redis://:@h", "redis://:@h"},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEAN_FREE char *hidden = secret_hidden(cases[i][0]);
		assert_string_equal(hidden, cases[i][1]);
	}
}

static void test_S2__argv__is_overwritten_to_its_last_byte(void **state)
{
	char url[] = "redis://:geheimnis@host";
	char *argv[] = {(char[]){"turnfs"}, url, NULL};
	char **taken = secret_take_args(2, argv);
	assert_string_equal(taken[1], "redis://:geheimnis@host");
	assert_string_equal(url, "redis://:***@host");
	assert_null(memmem(url, sizeof(url), "geheim", 6));
	for (size_t i = strlen(url); i < sizeof(url); i++)
		assert_int_equal(url[i], 0);
	free(taken[0]);
	free(taken[1]);
	free(taken);
}

static void test_S2__shown_name_of_a_store__has_no_password(void **state)
{
	struct errtext error = {""};
	struct store_name name;
	assert_int_equal(store_name_parse("redis://:geheim@h/0", &name, &error), 0);
	assert_string_equal(name.where, "redis://:geheim@h/0");
	assert_string_equal(name.shown, "redis://:***@h/0");
	assert_true(name.is_secret);
	store_name_done(&name);
	assert_int_equal(store_name_parse("radish://:geheim@h/0", &name, &error), -EINVAL);
	assert_null(strstr(error.text, "geheim"));
}

static void test_C2__mountinfo_line__fields_and_escapes(void **state)
{
	char line[] = "42 27 0:39 / /mnt/a\\040b\\134c rw,nosuid shared:1 master:2 - fuse.turnfs "
		      "/s\\040t rw,user_id=0\n";
	char bare[] = "36 35 98:0 /m /m rw - ext4 /dev/sda1 rw";
	struct mount_entry entry;
	assert_true(mount_entry_parse(line, &entry));
	assert_string_equal(entry.mountpoint, "/mnt/a b\\c");
	assert_string_equal(entry.options, "rw,nosuid");
	assert_string_equal(entry.source, "/s t");
	assert_true(mount_entry_is_ours(&entry));
	assert_true(mount_entry_parse(bare, &entry));
	assert_string_equal(entry.type, "ext4");
	assert_false(mount_entry_is_ours(&entry));
}

static void test_C2__no_mountinfo_line__is_passed_over(void **state)
{
	static const char *const bad[] = {"", "\n", "1 2 3", "1 2 3 4 5 6", "1 2 3 4 5 6 7 8",
		"1 2 3 4 5 6 - type", "1 2 3 4 5 6 -"};
	struct mount_entry entry;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEAN_FREE char *line = strdup(bad[i]);
		assert_false(mount_entry_parse(line, &entry));
	}
}

static void test_C2__mounts_on_top_of_each_other__the_last_counts(void **state)
{
	struct mount_entry items[] = {{(char *)"/a", NULL, (char *)"ext4", NULL},
		{(char *)"/a", NULL, (char *)MOUNTINFO_TYPE, NULL},
		{(char *)"/ab", NULL, (char *)"ext4", NULL}};
	const struct mount_table table = {items, 3};
	assert_ptr_equal(mount_table_find(&table, "/a"), &items[1]);
	assert_null(mount_table_find(&table, "/"));
}

static void test_C1__arguments__all_ways_to_write_them(void **state)
{
	char *argv[] = {"mount", "-fo", "a", "-ob", "--ttl=1h", "--grace", "2h", "x", "--ro=on",
		"-", "--", "-y", NULL};
	struct args args;
	const char *text;
	args_init(&args, 12, argv);
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_string_equal(text, "f");
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_string_equal(text, "o");
	assert_string_equal(args_value(&args), "a");
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_string_equal(args_value(&args), "b");
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_string_equal(text, "ttl");
	assert_string_equal(args_value(&args), "1h");
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_string_equal(args_value(&args), "2h");
	assert_int_equal(args_next(&args, &text), ARG_OPERAND);
	assert_string_equal(text, "x");
	assert_int_equal(args_next(&args, &text), ARG_OPTION);
	assert_int_equal(args_next(&args, &text), ARG_SURPLUS);
	assert_int_equal(args_next(&args, &text), ARG_OPERAND);
	assert_string_equal(text, "-");
	assert_int_equal(args_next(&args, &text), ARG_OPERAND);
	assert_string_equal(text, "-y");
	assert_null(args_value(&args));
	assert_int_equal(args_next(&args, &text), ARG_END);
}

static void test_C2__hostile_text__cannot_steer_a_terminal(void **state)
{
	char text[] = "a\033[31m\tb\xff\xc2\x9b z\xe2\x80\xae\xc3\xa4";
	assert_string_equal(terminal_clean(text), "a?[31m?b?? z?\xc3\xa4");
	assert_int_equal(terminal_width(text), 14);
	assert_null(terminal_clean(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C4__time_options__read_90s_30m_3h_7d),
		cmocka_unit_test(test_C4__no_options__the_defaults_of_the_table),
		cmocka_unit_test(test_C4__all_other_options__land_in_their_place),
		cmocka_unit_test(test_C4__unknown_or_bad__EINVAL_and_a_sentence_with_its_name),
		cmocka_unit_test(test_C3__fstab_only_options__are_skipped),
		cmocka_unit_test(test_C1__dashes_in_a_long_name__mean_underscores),
		cmocka_unit_test(test_C1__options_behind_a_store__are_decoded),
		cmocka_unit_test(test_C4__options_that_do_not_go_together__EINVAL),
		cmocka_unit_test(test_T6__grace_with_a_layout__EINVAL_whatever_it_is_but_none),
		cmocka_unit_test(test_T2__hours__decimal_or_never_else_EINVAL),
		cmocka_unit_test(test_T2__option_ttl_and_hours__the_option_wins),
		cmocka_unit_test(test_C1__env_file__the_forms_of_a_line),
		cmocka_unit_test(test_C1__env_file__the_environment_wins),
		cmocka_unit_test(
			test_S2__env_file_with_an_open_quote__names_the_line_not_the_value),
		cmocka_unit_test(test_C1__store_names__are_taken_apart),
		cmocka_unit_test(test_C1__what_is_no_store__EINVAL_and_a_sentence),
		cmocka_unit_test(test_R2__nothing_named__the_local_store_of_the_user),
		cmocka_unit_test(test_S2__passwords__are_hidden),
		cmocka_unit_test(test_S2__argv__is_overwritten_to_its_last_byte),
		cmocka_unit_test(test_S2__shown_name_of_a_store__has_no_password),
		cmocka_unit_test(test_C2__mountinfo_line__fields_and_escapes),
		cmocka_unit_test(test_C2__no_mountinfo_line__is_passed_over),
		cmocka_unit_test(test_C2__mounts_on_top_of_each_other__the_last_counts),
		cmocka_unit_test(test_C1__arguments__all_ways_to_write_them),
		cmocka_unit_test(test_C2__hostile_text__cannot_steer_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
