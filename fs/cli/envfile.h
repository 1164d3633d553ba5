/* What turnfs takes from the environment, and from a file of --env-file. */
#pragma once

#include "base/errtext.h"

struct environment {
	char *redis_url; /* NULL: unset, or empty */
	char *hours; /* CONVERSATION_TIMEOUT_HOURS; NULL: unset */
};

/* From the process's environment; a password in it is overwritten there. */
void environment_init(struct environment *environment);
void environment_done(struct environment *environment);

/*
 * Adds from the file what the environment has not set. Lines are KEY=VALUE, also `export
 * KEY=VALUE`, values plain, 'as is' or "with \n \" \\ \$"; # begins a comment. Other keys are no
 * concern of ours. 0, or -errno with the sentence, which never has a value in it.
 */
int environment_read(struct environment *environment, const char *path, struct errtext *error);
