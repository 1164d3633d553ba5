/* What a server's error means to us: rule F2, in one table. */
#pragma once

#include "base/errtext.h"

#include <stdbool.h>

enum reply_kind {
	REPLY_FAILED, /* it is what it is */
	REPLY_OURS, /* our own script refused, by a name we know: not logged */
	REPLY_LATER, /* the server cannot just now: nothing was done, ask again soon */
	REPLY_NOSCRIPT, /* it does not know the script: load it */
	REPLY_READONLY, /* it became a replica: the name may lead to another server now */
};

struct reply_error {
	enum reply_kind kind;
	int rc; /* -errno */
	char code[24]; /* the server's word for it ("OOM"), or "an error" */
	unsigned line; /* of the script in which it happened, 0: unknown */
	const char *sentence; /* what it means and what mends it; never NULL */
};

/*
 * Reads an error's text as the server sent it. Errors of commands inside scripts begin with their
 * own code in Redis 7, and stand within "ERR Error running script …" in Redis 6.
 */
void reply_error_read(const char *text, struct reply_error *ret);

/* A connection's failure (-errno of ours) in the words of rule F2: EIO, ETIMEDOUT, … */
int link_errno(int rc);
