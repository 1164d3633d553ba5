/* Finding out what the store's file is, and making it. -errno with a sentence in `error`. */
#pragma once

#include "inside.h"

/* What the file itself says, read without SQLite; makes a store of nothing if that is asked for. */
int store_identify(struct sqlite_store *s, struct errtext *error);

/* The same asked of SQLite, whose -wal may know better; brings an old schema up to date. */
int store_accept(struct sqlite_store *s, struct conn *conn, struct errtext *error);

/* The sentence for what SQLite would not do at open. */
int open_failed(struct sqlite_store *s, int code, int rc, struct errtext *error);
