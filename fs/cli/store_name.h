/* Which store: what the command line, the environment or the default says, taken apart. */
#pragma once

#include "base/errtext.h"
#include "envfile.h"

#include <stdbool.h>

enum store_kind { STORE_KIND_LOCAL, STORE_KIND_MEMORY, STORE_KIND_SERVER };

struct store_name {
	enum store_kind kind;
	char *where; /* for store_open(): an absolute path, "memory:", or the URL; without '?…' */
	char *query; /* the options behind '?', or NULL */
	char *shown; /* as `where`, without a password */
	bool is_secret; /* `where` has a password in it */
	bool is_default;
};

/*
 * Takes `text` apart; a path is made absolute. 0, -ENOMEM, or -EINVAL with the sentence: it is not
 * how a store is named.
 */
int store_name_parse(const char *text, struct store_name *ret, struct errtext *error);

/*
 * `argument` if there is one, else REDIS_URL, else the durable local store of this user (R2).
 * -EINVAL too: REDIS_URL is not a URL.
 */
int store_name_choose(const char *argument, const struct environment *environment,
	struct store_name *ret, struct errtext *error);

void store_name_done(struct store_name *name);

/* Whether it begins with a scheme, "word:" (a path of that form is written ./word:…). */
bool store_name_has_scheme(const char *text);

/* Makes the directory of the default store, 0700, with what is missing above it. 0 or -errno. */
int store_name_make_directory(const struct store_name *name, struct errtext *error);
