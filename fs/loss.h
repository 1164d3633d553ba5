/* R5: a thread that the store had and whose data is gone. */
#pragma once

#include "fs.h"

/* Enters it in the ledger and in this machine's notes. From remote.c's thread. */
void loss_told(struct fs *fs, const struct thread_info *info);
