/* The local store: one SQLite file, made so that a durable append costs one fdatasync. */
#pragma once

#include "backend.h"

/* As store_open(), for the path of the store's file. */
int sqlite_store_open(const char *path, const struct store_options *options, struct store **ret,
	struct errtext *error);

/*
 * Verifies the whole store: SQLite's own structures, then every row's checksum. `progress` (may be
 * NULL) is called now and then on the caller's thread; true from it stops the check (-EINTR never
 * crosses the border: *ret_damaged is what was found so far). 0, or -EIO if anything is damaged.
 */
int sqlite_store_check(struct store *store,
	bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
	uint64_t *ret_damaged, struct errtext *ret_text);
