/*
 * What mounts on this machine have entered in the ledger of a server's store, kept under
 * $XDG_STATE_HOME/turnfs (~/.local/state/turnfs) as well, so that a flushed server does not take it
 * along (R4). A file for each store: JSON lines, 0600, the last 1000 at least. They are written
 * without waiting for the disk.
 */
#pragma once

#include "backend.h"

/*
 * The file's path for a store, to be freed. `key`: whatever tells the store, without a password.
 * NULL: there is no home directory, or no memory.
 */
char *ledger_copy_path(const char *key);

/* Adds lines; makes file and directory. 0 or -errno. */
int ledger_copy_add(const char *path, const struct ledger_entry *lines, size_t count);

/* All lines, oldest first; *ret to be freed. `path` NULL: there are none. */
size_t ledger_copy_read(const char *path, struct ledger_entry **ret);

/* Tells lines apart: the same for one event, whoever entered it. */
uint64_t ledger_copy_hash(const struct ledger_entry *line);
