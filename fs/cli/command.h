/* How a command with few arguments reads them: its options from a table, its operands in order. */
#pragma once

#include <stdbool.h>

/* Either `flag` or `value` is set, the other is NULL. */
struct command_option {
	const char *name; /* without dashes; NULL ends the table */
	const char *letter; /* the short form, NULL: none */
	bool *flag; /* becomes true */
	const char **value; /* becomes the value that the option must have */
	const char *wants; /* what that value is, for the error: "a name" */
};

struct command {
	const char *usage; /* one line, for errors */
	const char *help; /* what --help prints */
	const struct command_option *options; /* NULL: only --help and --version */
	const char **operands[3]; /* where each goes, in order, then NULL */
};

/*
 * Reads argv[1] and on; --help and --version are every command's. True: go on. False: the command
 * is over, all is said, and *ret_status is its exit status.
 */
bool command_read(const struct command *command, int argc, char **argv, int *ret_status);
