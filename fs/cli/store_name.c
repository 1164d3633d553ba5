/* Which store: what the command line, the environment or the default says, taken apart. */
#include "store_name.h"

#include "base/cleanup.h"
#include "secret.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

static const char *const server_schemes[] = {"redis://", "rediss://", "redis+unix://"};

static bool is_server(const char *text)
{
	for (size_t i = 0; i < sizeof(server_schemes) / sizeof(server_schemes[0]); i++)
		if (!strncasecmp(text, server_schemes[i], strlen(server_schemes[i])))
			return true;
	return false;
}

bool store_name_has_scheme(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+.-");
	return length && text[length] == ':';
}

void store_name_done(struct store_name *name)
{
	free(name->where);
	free(name->query);
	free(name->shown);
	*name = (struct store_name){0};
}

/* Where the '?' of the options is: behind a password, which may have a '?' in it. */
static char *query_find(char *text)
{
	char *at = strstr(text, "://") ? strrchr(text, '@') : NULL;
	return strchr(at ? at : text, '?');
}

static char *path_absolute(const char *path)
{
	char *absolute = NULL;
	if (path[0] == '/')
		return strdup(path);
	CLEAN_FREE char *here = getcwd(NULL, 0);
	if (!here || asprintf(&absolute, "%s/%s", here, path) < 0)
		return NULL;
	return absolute;
}

static int parse_local(char *text, struct store_name *name, struct errtext *error)
{
	const char *path = !strncmp(text, "sqlite:", 7) ? text + 7 : text;
	if (!*path)
		return errtext_set(error, -EINVAL,
			"a store needs a path: write sqlite:PATH, or the path alone");
	name->kind = STORE_KIND_LOCAL;
	name->where = path_absolute(path);
	return 0;
}

static int parse_where(char *text, struct store_name *name, struct errtext *error)
{
	if (!strcmp(text, "memory:"))
		name->kind = STORE_KIND_MEMORY;
	else if (is_server(text))
		name->kind = STORE_KIND_SERVER;
	else if (store_name_has_scheme(text) && strncmp(text, "sqlite:", 7) != 0)
		return errtext_set(error, -EINVAL,
			"%s is not a store: use a path, sqlite:PATH, redis://…, rediss://…, "
			"redis+unix:///… or memory:",
			(secret_hide(text), text));
	else
		return parse_local(text, name, error);
	name->where = strdup(text);
	return 0;
}

/* "db=N" belongs to the server's name (redis+unix has no other place for it): it moves there. */
static int take_database(struct store_name *name)
{
	CLEAN_FREE char *query = name->query, *copy = strdup(query);
	char *rest = copy, *where = NULL;
	name->query = NULL;
	if (!copy)
		return -ENOMEM;
	query[0] = '\0';
	for (char *part; (part = strsep(&rest, "&"));) {
		if (!strncmp(part, "db=", 3) && !where) {
			if (asprintf(&where, "%s?%s", name->where, part) < 0)
				return -ENOMEM;
			continue;
		}
		if (query[0])
			strcat(query, "&"); /* what is left is no longer than it was */
		strcat(query, part);
	}
	if (where) {
		free(name->where);
		name->where = where;
	}
	name->query = query[0] ? strdup(query) : NULL;
	return query[0] && !name->query ? -ENOMEM : 0;
}

int store_name_parse(const char *text, struct store_name *ret, struct errtext *error)
{
	struct store_name name = {0};
	CLEAN_FREE char *copy = strdup(text);
	if (!copy)
		return errtext_set(error, -ENOMEM, "out of memory");
	char *query = query_find(copy);
	if (query)
		*query++ = '\0';
	int rc = parse_where(copy, &name, error);
	if (rc < 0)
		return rc;
	name.query = query ? strdup(query) : NULL;
	if (name.query && name.kind == STORE_KIND_SERVER && take_database(&name) < 0) {
		store_name_done(&name);
		return errtext_set(error, -ENOMEM, "out of memory");
	}
	name.shown = name.where ? strdup(name.where) : NULL;
	if (!name.shown || (query && !name.query && name.kind != STORE_KIND_SERVER)) {
		store_name_done(&name);
		return errtext_set(error, -ENOMEM, "out of memory, or no current directory");
	}
	name.is_secret = name.kind == STORE_KIND_SERVER && secret_hide(name.shown);
	*ret = name;
	return 0;
}

static const char *home_directory(void)
{
	const char *home = getenv("HOME");
	if (home && home[0] == '/')
		return home;
	const struct passwd *user = getpwuid(getuid());
	return user ? user->pw_dir : NULL;
}

static int default_path(char **ret, struct errtext *error)
{
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = home_directory();
	int rc;
	if (data && data[0] == '/')
		rc = asprintf(ret, "%s/turnfs/store.db", data);
	else if (home)
		rc = asprintf(ret, "%s/.local/share/turnfs/store.db", home);
	else
		return errtext_set(error, -EINVAL,
			"there is no home directory for the store: name a STORE, or set HOME");
	return rc < 0 ? errtext_set(error, -ENOMEM, "out of memory") : 0;
}

/* Only a server's: a URL without its scheme must not become a local store of that name (R2). */
static int parse_redis_url(const char *url, struct store_name *ret, struct errtext *error)
{
	if (is_server(url) || (store_name_has_scheme(url) && strstr(url, "://")))
		return store_name_parse(url, ret, error);
	return errtext_set(error, -EINVAL,
		"REDIS_URL is not the URL of a server: set it to redis://…, rediss://… or "
		"redis+unix:///…, or unset it");
}

int store_name_choose(const char *argument, const struct environment *environment,
	struct store_name *ret, struct errtext *error)
{
	if (argument)
		return store_name_parse(argument, ret, error);
	if (environment->redis_url)
		return parse_redis_url(environment->redis_url, ret, error);
	struct store_name name = {.kind = STORE_KIND_LOCAL, .is_default = true};
	int rc = default_path(&name.where, error);
	if (rc < 0)
		return rc;
	name.shown = strdup(name.where);
	if (!name.shown) {
		store_name_done(&name);
		return errtext_set(error, -ENOMEM, "out of memory");
	}
	*ret = name;
	return 0;
}

int store_name_make_directory(const struct store_name *name, struct errtext *error)
{
	CLEAN_FREE char *path = strdup(name->where);
	if (!path)
		return errtext_set(error, -ENOMEM, "out of memory");
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return errtext_set(error, -errno,
				"cannot make %s for the store: %s; name a STORE elsewhere", path,
				strerror(errno));
		*slash = '/';
	}
	return 0;
}
