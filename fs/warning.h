/* One line in the log for each thread that comes near its deadline (T8). */
#pragma once

#include "fs.h"

/* A thread has this deadline now. fs->lock held. */
void warning_add(struct fs *fs, uint64_t gen, int64_t deadline_ms);

/* Says what is to be said, for a few milliseconds at most. True: there is more. */
bool warning_due(struct fs *fs);
void warning_done(struct fs *fs);
