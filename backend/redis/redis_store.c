/* Which store in Redis is meant: our own layout, or a chat server's. */
#include "redis_store.h"

#include "layouts/layout_store.h"
#include "own/own_store.h"

int redis_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	if (options->server.layout)
		return layout_store_open(url, options, ret, error);
	return own_store_open(url, options, ret, error);
}
