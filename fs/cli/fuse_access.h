/* Whether this user may mount with FUSE, asked before anything is opened. */
#pragma once

#include "base/errtext.h"

#include <stdbool.h>

/* `shared`: allow_other or allow_root is wanted. 0, or -errno with the sentence. */
int fuse_access_check(bool shared, struct errtext *error);
