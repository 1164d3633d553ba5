/*
 * What the threads in grace are called in .turnfs/expired, where several lives of one id lie side
 * by side (T7). The life that expired last has the plain id, the ones before it are ID~2, ID~3, …,
 * latest first: so the name of what is wanted most often is known without looking, and no name
 * moves while nothing expires, returns or is erased. A name that is some thread's plain id is
 * skipped; an id too long for what is added is cut.
 */
#pragma once

#include "backend.h"
#include "table.h"

struct expired_name {
	char *name;
	uint64_t gen;
	bool unhashed; /* table.h */
	UT_hash_handle hh;
};

struct expired_names {
	struct expired_name *items;
	size_t count;
	struct expired_name *by_name;
};

/* Reads all threads in grace. 0 or -errno; *ret is to be ended with expired_names_done(). */
int expired_names_load(struct store *store, struct expired_names *ret);
void expired_names_done(struct expired_names *names);

/* The generation of that name; 0: there is none. */
uint64_t expired_names_find(const struct expired_names *names, const char *name);
