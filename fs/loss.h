/* R5: a thread that the store had and whose data is gone. */
#pragma once

#include "fs.h"

/* Enters it in the ledger; what is cached of it goes. From remote.c's thread. */
void loss_told(struct fs *fs, const struct thread_info *info);
