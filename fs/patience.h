/*
 * A store before a shared store that loses patience when the mount ends: what is under way may take
 * its time, but once a call has waited in vain no other one waits, so that an umount takes no
 * longer than one call may.
 */
#pragma once

#include "fs.h"

/* Both do nothing for a store of one's own. 0 or -ENOMEM. */
int patience_init(struct fs *fs);
void patience_done(struct fs *fs);
