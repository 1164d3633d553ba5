/* Where the store's file lies: its directory, who may write there, and the lock beside it. */
#pragma once

#include "backend.h"

#include <limits.h>

enum place_found {
	PLACE_NOTHING, /* no file, or an empty one */
	PLACE_STORE,
	PLACE_NEWER, /* a store with a newer schema */
};

/*
 * Makes `path` absolute and checks directory and file: nobody else may write to them, no symlink, a
 * regular file or nothing. With `make_dirs` what is missing of the directory is made, 0700. -errno
 * with a sentence in `error`.
 */
int place_check(const char *path, bool make_dirs, char ret[PATH_MAX], struct errtext *error);

/* Reads the file's first bytes, without SQLite: what is not a turnfs store is not touched at all.
 */
int place_identify(
	const char *path, enum place_found *ret, int *ret_version, struct errtext *error);

/*
 * Takes the lock "<path>-lock" (flock, with our pid in it). Waits up to timeout_ms for one who has
 * it; then -EBUSY. `read_only`: a lock file that cannot be made or written is done without.
 */
int place_lock(
	const char *path, int timeout_ms, bool read_only, int *ret_fd, struct errtext *error);
void place_unlock(int fd);

/* fsyncs the directory of `path`. 0 or -errno. */
int place_sync_dir(const char *path);
