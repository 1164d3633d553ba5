/* What a mount says of itself, in the files of its .turnfs. */
#pragma once

#include "base/blob.h"

/* Reads MOUNTPOINT/.turnfs/NAME. 0 or -errno. */
int told_read(const char *mountpoint, const char *name, struct blob **ret);

/* The value of the first line "KEY value", "KEY: value" or "KEY = value"; to be freed. NULL: none.
 */
char *told_value(const struct blob *text, const char *key);
