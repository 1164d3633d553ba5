/* The first words on a new connection: login, database, and who is there. */
#include "errors.h"
#include "inside.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int greet_failed(const struct redis_url *url, int rc, struct errtext *error)
{
	const char *tls = url->host && !url->tls ? ": does it want TLS (rediss://)?" : "";

	if (rc == -EPROTO)
		return errtext_set(
			error, rc, "%s answers, but not as a Redis server does%s", url->shown, tls);
	if (rc == -ECONNRESET || rc == -EPIPE)
		return errtext_set(error, rc, "%s closed the connection%s", url->shown, tls);
	if (rc == -ETIMEDOUT)
		return errtext_set(
			error, rc, "%s takes connections, but does not answer%s", url->shown, tls);
	return errtext_set(error, rc, "%s: %s", url->shown, strerror(-rc));
}

/* A reply of the greeting; an error is what it means. */
static int greet_reply(
	struct link *link, int64_t deadline_ms, redisReply **ret, struct reply_error *error)
{
	int rc = link_receive(link, deadline_ms, 0, ret);

	if (rc < 0 || !reply_is_error(*ret))
		return rc;
	reply_error_read((*ret)->str, error);
	freeReplyObject(*ret);
	*ret = NULL;
	return error->kind == REPLY_LATER ? -EAGAIN : error->rc;
}

static int greet_add(struct link *link, const char *const *words)
{
	CLEAN_ARGS struct redis_args args = {0};

	for (; *words; words++)
		redis_args_add(&args, *words);
	return link_add(link, &args);
}

static int greet_send(struct link *link, const struct redis_url *url)
{
	char db[16];
	int rc = 0;

	if (url->password && url->user)
		rc = greet_add(link, (const char *[]){"AUTH", url->user, url->password, NULL});
	else if (url->password)
		rc = greet_add(link, (const char *[]){"AUTH", url->password, NULL});
	if (rc == 0 && url->db > 0) {
		snprintf(db, sizeof(db), "%d", url->db);
		rc = greet_add(link, (const char *[]){"SELECT", db, NULL});
	}
	if (rc == 0)
		rc = greet_add(link, (const char *[]){"INFO", "server", NULL});
	if (rc == 0)
		rc = greet_add(link, (const char *[]){"TIME", NULL});
	return rc;
}

/* AUTH and SELECT must go well. */
static int greet_login(
	struct link *link, const struct redis_url *url, int64_t deadline_ms, struct errtext *error)
{
	struct reply_error what = {0};
	redisReply *reply = NULL;
	int rc = 0;

	if (url->password) {
		rc = greet_reply(link, deadline_ms, &reply, &what);
		if (rc == -EIO && what.sentence) /* "ERR AUTH <password> called without any …" */
			return errtext_set(error, -EACCES,
				"%s does not take the password: has that user one?", url->shown);
		freeReplyObject(reply);
		reply = NULL;
	}
	if (rc == 0 && url->db > 0) {
		rc = greet_reply(link, deadline_ms, &reply, &what);
		if (rc == -EIO && what.sentence)
			return errtext_set(
				error, -EIO, "%s has no database %d", url->shown, url->db);
		freeReplyObject(reply);
	}
	if (rc < 0 && what.sentence)
		return errtext_set(error, rc, "%s: %s: %s", url->shown, what.code, what.sentence);
	return rc < 0 ? greet_failed(url, rc, error) : 0;
}

static bool info_value(const char *info, const char *name, char *ret, size_t size)
{
	const char *at = info_find(info, name);

	if (!at)
		return false;
	snprintf(ret, size, "%.*s", (int)strcspn(at, "\r\n"), at);
	return true;
}

static void facts_read(struct link *link, const char *info)
{
	struct redis_facts *facts = &link->facts;
	char mode[16] = "", like[16] = "0.0";

	info_value(info, "redis_version", like, sizeof(like));
	if (info_value(info, "valkey_version", facts->version, sizeof(facts->version)))
		snprintf(facts->name, sizeof(facts->name), "Valkey");
	else if (info_value(info, "redis_version", facts->version, sizeof(facts->version)))
		snprintf(facts->name, sizeof(facts->name), "Redis");
	if (!info_value(info, "redis_mode", mode, sizeof(mode)))
		info_value(info, "server_mode", mode, sizeof(mode));
	facts->cluster = strcmp(mode, "cluster") == 0;
	int major = 0, minor = 0;
	if (sscanf(like, "%d.%d", &major, &minor) == 2)
		facts->waitaof = major > 7 || (major == 7 && minor >= 2);
	info_value(info, "run_id", link->run_id, sizeof(link->run_id));
}

/* INFO and TIME may be forbidden; then it stays unknown. What is no Redis shows here too. */
static int greet_learn(struct link *link, const struct redis_url *url, int64_t before_us,
	int64_t deadline_ms, struct errtext *error)
{
	redisReply *replies[2] = {NULL, NULL};
	struct reply_error what = {0};
	int rc = 0;

	for (size_t i = 0; i < 2 && (rc == 0 || rc == -EIO); i++) {
		rc = greet_reply(link, deadline_ms, &replies[i], &what);
		if (rc == -EACCES && what.sentence && strcmp(what.code, "NOPERM") == 0)
			rc = 0;
	}
	if (rc == -EIO && what.sentence)
		rc = 0;
	if (rc == 0 && replies[0] && replies[0]->type == REDIS_REPLY_STRING)
		facts_read(link, replies[0]->str);
	if (rc == 0 && replies[1])
		server_clock_read(&link->clock, replies[1], before_us);
	freeReplyObject(replies[0]);
	freeReplyObject(replies[1]);
	if (rc < 0 && what.sentence)
		return errtext_set(error, rc, "%s: %s: %s", url->shown, what.code, what.sentence);
	return rc < 0 ? greet_failed(url, rc, error) : 0;
}

int link_greet(
	struct link *link, const struct redis_url *url, int64_t deadline_ms, struct errtext *error)
{
	int64_t before_us = server_clock_local_us();
	int rc = greet_send(link, url);

	if (rc == 0)
		rc = greet_login(link, url, deadline_ms, error);
	return rc < 0 ? rc : greet_learn(link, url, before_us, deadline_ms, error);
}
