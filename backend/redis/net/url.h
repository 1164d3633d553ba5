/* Where a Redis server is: the parts of a URL. */
#pragma once

#include "base/errtext.h"

#include <stdbool.h>

/*
 * Sources of the forms: redis://[[user]:password@]host[:port][/db] and rediss:// as IANA's
 * provisional registrations of the schemes have them; redis+unix://[[user]:password@]/path[?db=N],
 * and as redis-py has it, for a REDIS_URL is shared with programs that use that: unix:// for the
 * same, and ?db=N behind a host too. User and password may be %XX-encoded, IPv6 hosts stand in
 * brackets.
 */
struct redis_url {
	char *host; /* or NULL, with `path` */
	int port; /* 6379 by default */
	char *path; /* of a unix socket */
	char *user, *password; /* decoded; NULL: none */
	int db; /* -1: not given, which is 0 */
	bool tls;
	char *shown; /* the URL without a password, for logs and people */
};

/* 0, -ENOMEM, or -EINVAL with a sentence that has no password in it. */
int redis_url_parse(const char *text, struct redis_url *ret, struct errtext *error);
void redis_url_done(struct redis_url *url); /* the password is overwritten before it is freed */

/* Whether the server is this machine: a unix socket, localhost, 127.0.0.0/8 or [::1]. */
bool redis_url_is_local(const struct redis_url *url);
