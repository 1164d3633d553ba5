/* The stores in Redis or Valkey: our own layout, and those of chat servers (layout=). */
#pragma once

#include "backend.h"

/* `url`: redis://…, rediss://… or redis+unix://…; options->server has the rest. As store_open(). */
int redis_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error);
