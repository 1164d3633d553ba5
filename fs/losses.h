/*
 * What mounts on this machine have learned of threads that a server has lost, kept under
 * $XDG_STATE_HOME/turnfs (~/.local/state/turnfs), so that a flushed server does not take it along
 * (R4). A file for each store: JSON lines, 0600, the last 1000 at least.
 */
#pragma once

#include "backend.h"

/* The file's path for a store, to be freed. `key`: whatever tells the store, without a password.
 * NULL: there is no home directory, or no memory. */
char *losses_path(const char *key);

/* Adds a line; makes file and directory. 0 or -errno. */
int losses_add(const char *path, const struct ledger_entry *line);

/* All lines (LEDGER_LOST), oldest first; *ret to be freed. `path` NULL: there are none. */
size_t losses_read(const char *path, struct ledger_entry **ret);
