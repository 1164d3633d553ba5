/* Erasing what has been in grace for long enough (T6). */
#pragma once

#include "fs.h"

/* From the expiry thread, each time it wakes: sets the pool to work when it is time. */
void purge_tick(struct fs *fs);

/* Something has expired: without grace it is to be erased at once. */
void purge_wanted(struct fs *fs);
