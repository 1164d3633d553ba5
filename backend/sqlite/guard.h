/*
 * One -wal file's syncs. A sync that failed may have marked clean what was never written, so that
 * the next one would succeed without it (F4): after one has failed, on whatever connection, all
 * fail, until wal_heal() has written the file's frames again.
 */
#pragma once

#include <stdbool.h>

struct guard;

enum { GUARD_BROKEN = -100000 }; /* neither an -errno nor a code of SQLite */

/* The guard of the -wal of that path, of which there is one. NULL: no memory. */
struct guard *guard_find(const char *wal_path);

/* Runs `sync`, which gives 0 or an error, unless one failed before: then GUARD_BROKEN. */
int guard_sync(struct guard *guard, int (*sync)(void *arg), void *arg);
int guard_fdatasync(struct guard *guard, int fd); /* 0 or -errno */

bool guard_is_broken(struct guard *guard);
void guard_break(struct guard *guard);
void guard_mend(struct guard *guard); /* all frames that count have been written and synced again */
