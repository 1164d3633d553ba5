/* Walks a command's arguments: -x, -xVALUE, -xyz, --name, --name=VALUE, --, operands anywhere. */
#pragma once

#include <stdbool.h>

enum arg_kind {
	ARG_END,
	ARG_OPTION, /* *ret is its name, without dashes */
	ARG_OPERAND, /* *ret is the operand */
	ARG_SURPLUS, /* the option before, in *ret, was given a "=VALUE" that nobody asked for */
};

struct args {
	int argc, at;
	char **argv;
	const char *cluster; /* the rest of -xyz, "" at its end */
	const char *given; /* the VALUE of --name=VALUE until somebody asks for it */
	bool operands_only; /* "--" has been seen */
	char name[64];
};

/* argv[0] is the command's own name. */
void args_init(struct args *args, int argc, char **argv);

/* The next one. An option's name is good until the next call. */
enum arg_kind args_next(struct args *args, const char **ret);

/* The value of the option just returned: what is attached to it, else the next argument, else NULL.
 */
const char *args_value(struct args *args);

/* The same for an option whose value may be left out: only "=VALUE" counts. */
const char *args_given(struct args *args);

/* How the option just returned is written: "-" for one letter, else "--". */
const char *args_dashes(const struct args *args);

/* The same of whatever was just returned: "" for an operand. */
const char *args_prefix(const struct args *args, enum arg_kind kind);
