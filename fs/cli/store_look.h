/* How the commands open a store, and look at one that is not mounted. */
#pragma once

#include "backend.h"

/*
 * store_open() with sentences for the command line: they begin in lower case, and that of -EBUSY
 * names the mountpoint, if this process sees the mount that has the store.
 */
int store_open_named(const char *where, const struct store_options *options, struct store **ret,
	struct errtext *error);

/* For reading, mounted or not; beside a store that is not mounted it leaves no file. */
int store_look(const char *where, struct store **ret, struct errtext *error);
