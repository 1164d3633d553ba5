/* A VFS that lets no erased bytes into the store's file. */
#pragma once

/* Registers it, once, over what is SQLite's default then. Its name for sqlite3_open_v2(). */
const char *wipe_vfs(void);
