/* The store that shows what chat servers keep in Redis, live, by the rules of docs/chat-servers.md.
 */
#pragma once

#include "backend.h"

/*
 * options->server.layout is a name of layout.c's table; -EINVAL with the list of names otherwise.
 * As redis_store_open().
 */
int layout_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error);
