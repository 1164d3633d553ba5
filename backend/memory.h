/* The store that keeps everything in memory: for tests; a restart loses all (R2). */
#pragma once

#include "backend.h"

/* A new, empty store that only its handle sees. As store_open(). */
int memory_store_open(
	const struct store_options *options, struct store **ret, struct errtext *error);
