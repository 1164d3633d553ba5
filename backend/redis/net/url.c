/* The parts of a Redis URL; see url.h. */
#include "url.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PORT_DEFAULT = 6379, PORT_MAX = 65535, DB_MAX = 1 << 30 };

static void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void secret_freep(char **text)
{
	secret_free(*text);
}
#define CLEAN_SECRET __attribute__((cleanup(secret_freep)))

void redis_url_done(struct redis_url *url)
{
	free(url->host);
	free(url->path);
	free(url->user);
	secret_free(url->password);
	free(url->shown);
	*url = (struct redis_url){0};
}

static void url_donep(struct redis_url *url)
{
	redis_url_done(url);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX into bytes, in place; none of them may be NUL. 0 or -EINVAL. */
static int percent_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		int high = hex_digit(from[1]);
		int low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || high + low == 0)
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	memset(to, 0, strlen(to)); /* of a password nothing is left behind its end */
	return 0;
}

static int number_parse(const char *text, long most, int *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno || *end || number > most)
		return -EINVAL;
	*ret = (int)number;
	return 0;
}

/* "user:password", ":password" or "user", as it stands before the '@'. */
static int parse_login(char *text, struct redis_url *url, struct errtext *error)
{
	char *colon = strchr(text, ':');

	if (colon)
		*colon = '\0';
	if (percent_decode(text) < 0 || (colon && percent_decode(colon + 1) < 0))
		return errtext_set(error, -EINVAL,
			"the user or password in the Redis URL has a bad %%XX: write %% itself as "
			"%%25");
	if (*text && !(url->user = strdup(text)))
		return -ENOMEM;
	if (colon && colon[1] && !(url->password = strdup(colon + 1)))
		return -ENOMEM;
	if (url->user && !url->password)
		return errtext_set(error, -EINVAL,
			"the Redis URL has a user without a password: write user:password@host, or "
			":password@host for the default user");
	return 0;
}

static int parse_port(const char *text, struct redis_url *url, struct errtext *error)
{
	if (number_parse(text, PORT_MAX, &url->port) < 0 || url->port == 0)
		return errtext_set(error, -EINVAL,
			"the port in the Redis URL is not a number from 1 to 65535");
	return 0;
}

/* "host", "host:port", "[address]:port". */
static int parse_host(char *text, struct redis_url *url, struct errtext *error)
{
	char *end = text + strcspn(text, ":");
	int rc = 0;

	if (*text == '[') {
		end = strchr(text++, ']');
		if (!end || (end[1] && end[1] != ':'))
			return errtext_set(error, -EINVAL,
				"the Redis URL has an IPv6 address without its closing bracket");
		*end++ = '\0';
	}
	url->port = PORT_DEFAULT;
	if (*end == ':')
		rc = parse_port(end + 1, url, error);
	*end = '\0';
	if (rc == 0 && !*text)
		rc = errtext_set(error, -EINVAL, "the Redis URL names no host");
	if (rc == 0 && !(url->host = strdup(text)))
		rc = -ENOMEM;
	return rc;
}

static int parse_db(const char *text, struct redis_url *url, struct errtext *error)
{
	if (!*text)
		return 0;
	if (number_parse(text, DB_MAX, &url->db) < 0)
		return errtext_set(error, -EINVAL,
			"the database in the Redis URL is not a number: write redis://host/0 or "
			"redis+unix:///path?db=0");
	return 0;
}

/* "?db=N" at the end, which is cut off. */
static int parse_query(char *text, struct redis_url *url, struct errtext *error)
{
	char *query = strchr(text, '?');

	if (!query)
		return 0;
	*query++ = '\0';
	if (strncmp(query, "db=", 3) != 0)
		return errtext_set(
			error, -EINVAL, "the only thing that may follow ? in a Redis URL is db=N");
	return parse_db(query + 3, url, error);
}

/* What stands behind the login: host[:port][/db]. */
static int parse_network(char *text, struct redis_url *url, struct errtext *error)
{
	char *slash = strchr(text, '/');
	int rc = 0;

	if (slash) {
		*slash = '\0';
		rc = url->db < 0 ? parse_db(slash + 1, url, error) : 0;
	}
	return rc < 0 ? rc : parse_host(text, url, error);
}

static int parse_socket(char *text, struct redis_url *url, struct errtext *error)
{
	if (*text != '/' || percent_decode(text) < 0)
		return errtext_set(error, -EINVAL,
			"the path of a Redis socket must be absolute: "
			"redis+unix:///run/redis.sock");
	url->path = strdup(text);
	return url->path ? 0 : -ENOMEM;
}

/* How the URL is shown: all of it but the password. */
static int make_shown(struct redis_url *url)
{
	const char *scheme = url->path ? "redis+unix" : url->tls ? "rediss" : "redis";
	const char *user = url->user ? url->user : "";
	const char *at = url->user ? "@" : "";
	char db[16] = "", port[16] = "";

	if (url->db >= 0)
		snprintf(db, sizeof(db), "%s%d", url->path ? "?db=" : "/", url->db);
	if (url->port != PORT_DEFAULT && !url->path)
		snprintf(port, sizeof(port), ":%d", url->port);
	bool v6 = url->host && strchr(url->host, ':');
	int size = asprintf(&url->shown, "%s://%s%s%s%s%s%s%s", scheme, user, at, v6 ? "[" : "",
		url->path ? url->path : url->host, v6 ? "]" : "", port, db);
	if (size < 0)
		url->shown = NULL;
	return url->shown ? 0 : -ENOMEM;
}

static const char *scheme_skip(const char *text, struct redis_url *url, bool *ret_socket)
{
	static const struct {
		const char *text;
		bool tls, socket;
	} schemes[] = {
		{"redis://", false, false}, {"rediss://", true, false},
		{"redis+unix://", false, true},
		{"unix://", false, true}, /* as redis-py spells it */
	};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t size = strlen(schemes[i].text);
		if (strncasecmp(text, schemes[i].text, size) == 0) {
			url->tls = schemes[i].tls;
			*ret_socket = schemes[i].socket;
			return text + size;
		}
	}
	return NULL;
}

/* The '@' that ends the login: the last one before the path begins. */
static char *login_end(char *text, bool socket)
{
	size_t size = socket ? strlen(text) : strcspn(text, "/?");
	char *at = memrchr(text, '@', size);

	/* A socket's path may have one too. */
	if (at && socket) {
		char *slash = strchr(text, '/');
		at = slash ? memrchr(text, '@', (size_t)(slash - text)) : NULL;
	}
	return at;
}

int redis_url_parse(const char *text, struct redis_url *ret, struct errtext *error)
{
	__attribute__((cleanup(url_donep))) struct redis_url url = {.db = -1};
	bool socket = false;
	const char *rest = scheme_skip(text, &url, &socket);

	if (!rest)
		return errtext_set(error, -EINVAL,
			"a Redis URL begins with redis://, rediss:// or redis+unix://");
	CLEAN_SECRET char *copy = strdup(rest);
	if (!copy)
		return -ENOMEM;
	char *at = login_end(copy, socket), *place = copy;
	int rc = 0;
	if (at) {
		*at = '\0';
		place = at + 1;
	}
	rc = parse_query(place, &url, error);
	if (rc == 0)
		rc = socket ? parse_socket(place, &url, error) : parse_network(place, &url, error);
	if (rc == 0 && at)
		rc = parse_login(copy, &url, error);
	if (rc == 0)
		rc = make_shown(&url);
	if (rc < 0)
		return rc;
	*ret = url;
	url = (struct redis_url){0};
	return 0;
}

bool redis_url_is_local(const struct redis_url *url)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (url->path || strcasecmp(url->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, url->host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, url->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
