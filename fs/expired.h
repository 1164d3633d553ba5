/* .turnfs/expired: threads in grace, and the way back from there. */
#pragma once

#include "fs.h"

/* What is in grace has changed: expired, returned, erased. Takes fs->lock itself. */
void expired_changed(struct fs *fs);

/* From time to time: gives back the memory of names that nobody asked for lately. */
void expired_tidy(struct fs *fs);
void expired_done(struct fs *fs);

/* The generation of the thread of that name in it; *ret is 0 if there is none. 0 or -errno. */
int expired_gen(struct fs *fs, const char *name, uint64_t *ret);

/*
 * RENAME out of .turnfs/expired into the root: the thread returns whole under the name `to`, with a
 * fresh ttl. 0 or -errno: as a rename of a live one (W11).
 */
int expired_restore(struct fs *fs, const char *name, const char *to, unsigned flags);
