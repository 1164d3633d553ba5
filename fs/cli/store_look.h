/* How the commands open a store, and look at one that is not mounted. */
#pragma once

#include "backend.h"
#include "options.h"
#include "store_name.h"

/*
 * store_open() with sentences for the command line: they begin in lower case, and that of -EBUSY
 * names the mountpoint, if this process sees the mount that has the store.
 */
int store_open_named(const char *where, const struct store_options *options, struct store **ret,
	struct errtext *error);

/*
 * For reading, mounted or not; beside a store that is not mounted it leaves no file. The options
 * behind the '?' of the name are in force. 0, or -errno with the sentence.
 */
int store_look(const struct store_name *name, struct store **ret, struct errtext *error);

/* The options that a store's name brings along, over the defaults; to be ended also on failure. */
int store_look_options(
	const struct store_name *name, struct cli_options *ret, struct errtext *error);

/* What tells this store from others in this user's notes: ledger_copy_path(), or NULL. */
char *store_look_ledger_copy(const struct store_name *name, const struct cli_options *options);
