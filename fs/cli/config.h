/* The text of .turnfs/config: all that is in force, without a password. */
#pragma once

#include "options.h"
#include "store_name.h"

/* "key = value" lines, to be freed; of this process, so in the daemon. NULL: out of memory. */
char *config_text(
	const struct cli_options *options, const struct store_name *store, const char *mountpoint);
