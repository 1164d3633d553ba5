/* Lua scripts: loaded once a server, called by their SHA1, loaded again when it has forgotten them.
 */
#pragma once

#include <stddef.h>

enum script_kind {
	SCRIPT_READS,
	SCRIPT_WRITES, /* with the prelude that keeps tokens: see redis_write() */
};

/* Static; the texts come from .lua files (redis_lua.h, made by embed.py). */
struct redis_script {
	const char *name; /* for logs */
	enum script_kind kind;
	const char *text;
};

/*
 * A script of SCRIPT_WRITES is sent behind lua/prelude.lua: it ends with `return finish(reply)`,
 * reply being a flat table of strings and integers, or, before it has changed anything, with
 * `return refuse('EEXIST')`.
 */
