/* What a server's errors mean (F2), and what it can lose in words (R6), from texts as servers sent
 * them. */
#include "redis/net/errors.h"
#include "redis/net/server_inside.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static void test_F2__errors__have_one_meaning_each(void **state)
{
	static const struct {
		const char *text;
		int rc;
		enum reply_kind kind;
		const char *code;
	} rows[] = {
		{"OOM command not allowed when used memory > 'maxmemory'.", -ENOSPC, REPLY_FAILED,
			"OOM"},
		{"OOM command not allowed when used memory > 'maxmemory'. script: 3f, on "
		 "@user_script:9.",
			-ENOSPC, REPLY_FAILED, "OOM"},
		{"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to "
		 "persist to disk.",
			-ENOSPC, REPLY_FAILED, "MISCONF"},
		{"READONLY You can't write against a read only replica.", -EROFS, REPLY_READONLY,
			"READONLY"},
		{"NOAUTH Authentication required.", -EACCES, REPLY_FAILED, "NOAUTH"},
		{"WRONGPASS invalid username-password pair or user is disabled.", -EACCES,
			REPLY_FAILED, "WRONGPASS"},
		{"NOPERM this user has no permissions to run the 'evalsha' command", -EACCES,
			REPLY_FAILED, "NOPERM"},
		{"ERR The user executing the script can't run this command or subcommand script: "
		 "6e, on "
		 "@user_script:1.",
			-EACCES, REPLY_FAILED, "NOPERM"},
		{"ERR ACL failure in script: User small has no permissions to run the 'incr' "
		 "command "
		 "script: 6e, on @user_script:1.",
			-EACCES, REPLY_FAILED, "NOPERM"},
		{"LOADING Redis is loading the dataset in memory", -EIO, REPLY_LATER, "LOADING"},
		{"BUSY Redis is busy running a script.", -EIO, REPLY_LATER, "BUSY"},
		{"MASTERDOWN Link with MASTER is down", -EIO, REPLY_LATER, "MASTERDOWN"},
		{"TRYAGAIN Multiple keys request during rehashing of slot", -EIO, REPLY_LATER,
			"TRYAGAIN"},
		{"ERR max number of clients reached", -EIO, REPLY_LATER, "ERR"},
		{"ERR max number of clients + cluster connections reached", -EIO, REPLY_LATER,
			"ERR"},
		{"NOSCRIPT No matching script. Please use EVAL.", -EIO, REPLY_NOSCRIPT, "NOSCRIPT"},
		{"WRONGTYPE Operation against a key holding the wrong kind of value", -EIO,
			REPLY_FAILED, "WRONGTYPE"},
		{"ERR something new", -EIO, REPLY_FAILED, "ERR"},
		{"secret-text without a code", -EIO, REPLY_FAILED, "an error"},
		{"SECRETSECRETSECRETSECRETSECRET x", -EIO, REPLY_FAILED, "an error"},
		{"OOMPH is not OOM", -EIO, REPLY_FAILED, "OOMPH"},
		{"", -EIO, REPLY_FAILED, "an error"},
		{"TURNFS EEXIST", -EEXIST, REPLY_OURS, "TURNFS"},
		{"TURNFS EEXISTS", -EIO, REPLY_FAILED, "TURNFS"},
		{"TURNFS TOKEN", -EIO, REPLY_FAILED, "TURNFS"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct reply_error error = {0};
		reply_error_read(rows[i].text, &error);
		if (error.rc != rows[i].rc || error.kind != rows[i].kind)
			fail_msg("%s: %d, kind %d", rows[i].text, error.rc, error.kind);
		assert_string_equal(error.code, rows[i].code);
		assert_null(strstr(error.sentence, "ecret"));
	}
}

/* Redis 6 wraps what a command in a script failed with. */
static void test_F2__errors_in_scripts_of_redis_6__have_the_inner_meaning(void **state)
{
	static const char head[] = "ERR Error running script (call to "
				   "f_6ed3c49411ba98b7c7dbdbb3377b8a5a5bb6df28): ";
	static const struct {
		const char *text;
		int rc;
		const char *code;
	} rows[] = {
		{"@user_script:7: WRONGTYPE Operation against a key", -EIO, "WRONGTYPE"},
		{"@user_script:1: @user_script: 1: -OOM command not allowed when used memory",
			-ENOSPC, "OOM"},
		{"@user_script:1: @user_script: 1: -READONLY You can't write against", -EROFS,
			"READONLY"},
		{"@user_script:3: -MISCONF Redis is configured to save", -ENOSPC, "MISCONF"},
		{"@user_script:2: @user_script: 2: The user executing the script can't run this "
		 "command or subcommand",
			-EACCES, "NOPERM"},
		{"@user_script:4: user_script:4: attempt to index a nil value (field 'OOM')", -EIO,
			"ERR"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[400];
		struct reply_error error = {0};
		snprintf(text, sizeof(text), "%s%s", head, rows[i].text);
		reply_error_read(text, &error);
		assert_int_equal(error.rc, rows[i].rc);
		assert_string_equal(error.code, rows[i].code);
		assert_int_equal(error.line, rows[i].text[13] - '0');
	}
}

#define MASTER "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
#define HEALTHY                                                                                    \
	"# Memory\r\nused_memory:1000\r\nused_memory_rss:9\r\ntotal_system_memory:8000\r\n"        \
	"maxmemory:2000\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n"      \
	"rdb_last_bgsave_status:ok\r\naof_last_bgrewrite_status:ok\r\naof_last_write_status:"      \
	"ok\r\n"

static const struct server_config everysec = {
	.appendonly = "yes",
	.appendfsync = "everysec",
	.save = "3600 1 300 100",
	.policy = "noeviction",
	.stop_writes = "yes",
	.known = true,
};
static const struct redis_facts redis7 = {"Redis", "7.0.15", false, false};
static const struct redis_facts valkey8 = {"Valkey", "8.0.1", true, false};

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void test_R6__a_good_server__has_no_problem(void **state)
{
	struct redis_server said;

	server_judge(HEALTHY MASTER, &everysec, &redis7, 0, &said);
	assert_string_equal(said.problem, "");
	assert_false(said.evicts || said.is_replica || said.write_refused || said.error);
	assert_int_equal(said.used_memory, 1000);
	assert_int_equal(said.max_memory, 2000);
	assert_int_equal(said.system_memory, 8000);
}

static void test_W4__what_can_be_lost__is_said(void **state)
{
	static const struct {
		const char *appendonly, *appendfsync, *save;
		bool known, waitaof;
		unsigned replicas;
		const char *info, *says;
	} rows[] = {
		{"yes", "everysec", "", true, false, 0, HEALTHY MASTER,
			"a power cut or a crash of the server can lose up to about 2 s of turns "
			"(appendonly yes, "
			"appendfsync "
			"everysec); fsync() cannot promise more"},
		{"yes", "everysec", "", true, true, 0, HEALTHY MASTER,
			"fsync() waits until it is on the server's disk"},
		{"yes", "always", "", true, true, 0, HEALTHY MASTER, "a power cut loses nothing"},
		{"yes", "no", "", true, false, 0, HEALTHY MASTER, "30 s of turns"},
		{"no", "everysec", "3600 1", true, false, 0, HEALTHY MASTER,
			"everything since the last snapshot (appendonly no; save 3600 1)"},
		{"no", "everysec", "", true, false, 0, HEALTHY MASTER,
			"any restart of the server loses everything"},
		{"", "", "", false, false, 0, "aof_enabled:1\r\n",
			"is not known, for CONFIG is forbidden"},
		{"", "", "", false, false, 0, "aof_enabled:0\r\n", "if it makes any"},
		{"", "", "", false, false, 0, "", "INFO and CONFIG are forbidden"},
		{"yes", "always", "", true, false, 2, "role:master\r\nconnected_slaves:3\r\n",
			"waits until 2 replicas have it (3 connected)"},
		{"yes", "always", "", true, false, 0, "role:master\r\nconnected_slaves:1\r\n",
			"a failover can lose what its 1 replica has not got yet"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct server_config config = {.known = rows[i].known};
		struct redis_server said;
		strcpy(config.appendonly, rows[i].appendonly);
		strcpy(config.appendfsync, rows[i].appendfsync);
		strcpy(config.save, rows[i].save);
		server_judge(rows[i].info, &config, rows[i].waitaof ? &valkey8 : &redis7,
			rows[i].replicas, &said);
		assert_says(said.durability, rows[i].says);
		assert_true(strlen(said.durability) < sizeof(said.durability) - 1);
	}
}

static void test_R6__what_is_wrong__is_said_with_what_mends_it(void **state)
{
	static const struct {
		const char *info; /* before the healthy rest: the first one counts */
		int error;
		const char *says;
	} rows[] = {
		{"role:slave\r\nmaster_link_status:down\r\n", -EROFS, "has lost its master"},
		{"role:slave\r\n", -EROFS, "name its master"},
		{"aof_last_write_status:err\r\n", -ENOSPC, "free space on its disk"},
		{"aof_last_bgrewrite_status:err\r\n", 0, "redis-cli BGREWRITEAOF"},
		{"rdb_last_bgsave_status:err\r\n", -ENOSPC, "redis-cli BGSAVE"},
		{"used_memory:2001\r\n", -ENOSPC, "CONFIG SET maxmemory"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char info[1000];
		struct redis_server said;
		snprintf(info, sizeof(info), "%s%s", rows[i].info, HEALTHY MASTER);
		server_judge(info, &everysec, &redis7, 0, &said);
		assert_says(said.problem, rows[i].says);
		assert_int_equal(said.error, rows[i].error);
		assert_int_equal(said.write_refused, rows[i].error != 0);
	}
}

static void test_R6__persistence_off_and_eviction__are_said_with_the_command(void **state)
{
	struct server_config config = everysec;
	struct redis_server said;
	struct errtext error = {""};

	strcpy(config.appendonly, "no");
	strcpy(config.policy, "volatile-ttl");
	server_judge(HEALTHY MASTER, &config, &redis7, 0, &said);
	assert_says(said.problem, "redis-cli CONFIG SET appendonly yes");
	assert_says(said.problem, "volatile-ttl, which takes exactly our keys");
	assert_says(said.problem, "redis-cli CONFIG SET maxmemory-policy noeviction");
	assert_says(said.problem, "redis-cli CONFIG REWRITE");
	assert_true(said.evicts);
	assert_int_equal(redis_server_check(&said, &redis7, false, false, &error), -EPERM);
	assert_says(error.text, "volatile-ttl");
	assert_says(error.text, "CONFIG REWRITE");
	assert_int_equal(redis_server_check(&said, &redis7, true, false, &error), 0);
	assert_int_equal(redis_server_check(&said, &redis7, false, true, &error), 0);
}

/* A managed server tells its policy by INFO alone. */
static void test_R6__config_is_forbidden__infos_policy_counts(void **state)
{
	static const struct server_config none = {.known = false};
	struct redis_server said;

	server_judge("maxmemory_policy:allkeys-lru\r\n" HEALTHY MASTER, &none, &redis7, 0, &said);
	assert_true(said.evicts);
	assert_string_equal(said.policy, "allkeys-lru");
	server_judge("", &none, &redis7, 0, &said);
	assert_false(said.evicts);
	assert_says(said.problem, "not known");
}

static void test_R6__replicas_and_clusters__are_refused(void **state)
{
	const struct redis_facts cluster = {"Redis", "7.0.15", false, true};
	const struct redis_server replica = {.is_replica = true}, good = {.is_replica = false};
	struct errtext error = {""};

	assert_int_equal(redis_server_check(&replica, &redis7, false, false, &error), -EROFS);
	assert_int_equal(redis_server_check(&replica, &redis7, true, false, &error), 0);
	assert_int_equal(redis_server_check(&good, &cluster, true, false, &error), -EIO);
	assert_int_equal(redis_server_check(&good, &redis7, false, false, &error), 0);
}

/* Whatever a server says: nothing is written past its place. */
static void test_S3__absurd_info__is_cut(void **state)
{
	struct server_config config = everysec;
	char info[4000] = "role:slave\r\nmaxmemory_policy:";
	struct redis_server said;

	memset(info + strlen(info), 'x', 3000);
	memset(config.policy, 0, sizeof(config.policy));
	memset(config.save, 'y', sizeof(config.save) - 1);
	strcpy(config.appendonly, "no");
	server_judge(info, &config, &redis7, 9, &said);
	assert_int_equal(strlen(said.policy), sizeof(said.policy) - 1);
	assert_true(strlen(said.problem) < sizeof(said.problem));
	assert_true(strlen(said.durability) < sizeof(said.durability));
	server_judge("used_memory", &config, &redis7, 0, &said);
	server_judge("used_memory:\nrole:", &config, &redis7, 0, &said);
	assert_int_equal(said.used_memory, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_F2__errors__have_one_meaning_each),
		cmocka_unit_test(test_F2__errors_in_scripts_of_redis_6__have_the_inner_meaning),
		cmocka_unit_test(test_R6__a_good_server__has_no_problem),
		cmocka_unit_test(test_W4__what_can_be_lost__is_said),
		cmocka_unit_test(test_R6__what_is_wrong__is_said_with_what_mends_it),
		cmocka_unit_test(test_R6__persistence_off_and_eviction__are_said_with_the_command),
		cmocka_unit_test(test_R6__config_is_forbidden__infos_policy_counts),
		cmocka_unit_test(test_R6__replicas_and_clusters__are_refused),
		cmocka_unit_test(test_S3__absurd_info__is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
