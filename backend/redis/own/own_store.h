/* The store in Redis in turnfs's own layout (docs/redis-schema.md); any number of mounts at once.
 */
#pragma once

#include "backend.h"

/* As redis_store_open(), without a layout. */
int own_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error);
