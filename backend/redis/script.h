/* Lua scripts: loaded once a server, called by their SHA1, loaded again when it has forgotten them.
 */
#pragma once

#include <stddef.h>

enum script_kind {
	SCRIPT_READS,
	SCRIPT_WRITES, /* with the prelude that keeps tokens: see redis_write() */
};

/* Static and const; the SHA1 of prelude + text is computed once by whoever opens the pool. */
struct redis_script {
	const char *name; /* for logs */
	enum script_kind kind;
	const char *text;
};

/* The prelude of SCRIPT_WRITES (lua/prelude.lua): the script ends with `return finish(reply)`,
 * reply being a flat table of strings and integers, or `return refuse('EEXIST')`, which changes
 * nothing and so needs no token. */
extern const char redis_prelude[];
