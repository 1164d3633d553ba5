/* WHERE of the commands that look: a mountpoint or a store, by default the only mount. */
#pragma once

#include "store_name.h"

struct where {
	char *mountpoint; /* NULL: it is a store */
	struct store_name store;
};

/* 0, or -errno with the sentence: -EINVAL if it names neither, or more than one would do. */
int where_resolve(const char *argument, struct where *ret, struct errtext *error);
void where_done(struct where *where);
