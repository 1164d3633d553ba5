/* What a mount says of itself, in the files of its .turnfs. */
#pragma once

#include "base/blob.h"
#include "base/errtext.h"

/* Reads MOUNTPOINT/.turnfs/NAME. 0 or -errno. */
int told_read(const char *mountpoint, const char *name, struct blob **ret);

/* What -errno says of a mount: that its daemon has ended, or strerror(). */
const char *told_strerror(int rc);

/* The sentence for a mount that could not be read, with what to do. Returns `rc`. */
int told_trouble(const char *mountpoint, int rc, struct errtext *error);

/* The value of the first line "KEY value", "KEY: value" or "KEY = value"; to be freed. NULL: none.
 */
char *told_value(const struct blob *text, const char *key);
