/* Small files under $XDG_STATE_HOME/turnfs (~/.local/state/turnfs): what this machine remembers of
 * a store. */
#pragma once

#include <stdint.h>

/* Of a text, to tell names apart by: not for more. */
uint64_t state_hash(const char *text);

/*
 * "…/turnfs/KIND-HASH.ENDING", HASH being that of `key` (what the store is called); to be freed.
 * NULL: there is no such place (neither XDG_STATE_HOME nor HOME is an absolute path), or no memory.
 */
char *state_path(const char *kind, const char *key, const char *ending);

/* Makes what is missing above the file, 0700. 0 or -errno. */
int state_make_directories(const char *path);

/* Replaces the file, 0600, whole or not at all. 0 or -errno. */
int state_write(const char *path, const char *text);

/* The file's text, at most `size` - 1 bytes of it, with a NUL. 0 or -errno. */
int state_read(const char *path, char *ret, unsigned long size);
