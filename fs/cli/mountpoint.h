/* Whether a directory may be mounted on; a dead mount of ours is cleared off it first. */
#pragma once

#include "base/errtext.h"
#include "store_name.h"

/*
 * The absolute path of `path` without asking what may be mounted there, to be freed; symlinks
 * above it are followed, the last component is not. NULL: errno says why.
 */
char *mountpoint_absolute(const char *path);

/*
 * Checks S5 and that `path` is an empty directory that is no mountpoint; unmounts what is left of a
 * killed turnfs there. *ret is its absolute path, to be freed. 0, or -errno with the sentence.
 */
int mountpoint_prepare(
	const char *path, const struct store_name *store, char **ret, struct errtext *error);
