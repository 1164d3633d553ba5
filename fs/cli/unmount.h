/* Takes a mount away: umount2(2) as root, fusermount3 else; never through a shell. */
#pragma once

#include "base/errtext.h"

#include <stdbool.h>

/* `lazy`: also while it is in use. 0, -EBUSY without a sentence, or -errno with one. */
int unmount(const char *mountpoint, bool lazy, struct errtext *error);
