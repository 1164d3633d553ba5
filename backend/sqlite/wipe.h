/*
 * Our VFS: lets no erased bytes into the store's file, no sync of a -wal succeed after one failed,
 * and tells an error of reading from a damaged file.
 */
#pragma once

/* Registers it, once, over what is SQLite's default then. Its name for sqlite3_open_v2(). */
const char *wipe_vfs(void);

/*
 * The errno behind the last `code` (extended, of a write, sync or truncation) on this thread, or 0.
 * SQLite notes none for what fails in a COMMIT.
 */
int wipe_errno(int code);
