/* The tables of the store's file, and every statement that is run on them. */
#pragma once

#include "conn.h"

enum {
	SCHEMA_APPLICATION_ID = 0x74726e66, /* "trnf" */
	SCHEMA_VERSION = 1,
};

extern const char *const schema_stmt_sql[STMT_COUNT];

enum schema_found {
	SCHEMA_OURS,
	SCHEMA_EMPTY, /* no table yet: a new file, or one whose making was cut short */
	SCHEMA_FOREIGN, /* something else's */
	SCHEMA_NEWER,
};

/* What the file is; *ret_version is its schema's. SQLite's code. */
int schema_identify(struct conn *conn, enum schema_found *ret, int *ret_version);

/* Makes an empty file a store, in one transaction. SQLite's code. */
int schema_create(struct conn *conn);

/* Brings an older schema up to this one, in one transaction. SQLite's code. */
int schema_upgrade(struct conn *conn, int from);
