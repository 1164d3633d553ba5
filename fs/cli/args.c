/* Walks a command's arguments: -x, -xVALUE, -xyz, --name, --name=VALUE, --, operands anywhere. */
#include "args.h"

#include <stdio.h>
#include <string.h>

void args_init(struct args *args, int argc, char **argv)
{
	*args = (struct args){.argc = argc, .argv = argv, .at = 1, .cluster = ""};
}

static enum arg_kind next_letter(struct args *args, const char **ret)
{
	snprintf(args->name, sizeof(args->name), "%c", *args->cluster++);
	*ret = args->name;
	return ARG_OPTION;
}

static enum arg_kind next_long(struct args *args, const char *text, const char **ret)
{
	size_t length = strcspn(text, "=");
	snprintf(args->name, sizeof(args->name), "%.*s", (int)length, text);
	args->given = text[length] ? text + length + 1 : NULL;
	*ret = args->name;
	return ARG_OPTION;
}

enum arg_kind args_next(struct args *args, const char **ret)
{
	if (args->given) {
		args->given = NULL;
		*ret = args->name;
		return ARG_SURPLUS;
	}
	if (*args->cluster)
		return next_letter(args, ret);
	if (args->at >= args->argc)
		return ARG_END;
	const char *text = args->argv[args->at++];
	if (args->operands_only || text[0] != '-' || !text[1]) {
		*ret = text;
		return ARG_OPERAND;
	}
	if (text[1] != '-') {
		args->cluster = text + 1;
		return next_letter(args, ret);
	}
	if (text[2])
		return next_long(args, text + 2, ret);
	args->operands_only = true;
	return args_next(args, ret);
}

const char *args_given(struct args *args)
{
	const char *value = args->given;
	args->given = NULL;
	return value;
}

const char *args_value(struct args *args)
{
	if (args->given)
		return args_given(args);
	if (*args->cluster) {
		const char *rest = args->cluster;
		args->cluster = "";
		return rest;
	}
	return args->at < args->argc ? args->argv[args->at++] : NULL;
}

const char *args_dashes(const struct args *args)
{
	return args->name[0] && !args->name[1] ? "-" : "--";
}

const char *args_prefix(const struct args *args, enum arg_kind kind)
{
	return kind == ARG_OPERAND ? "" : args_dashes(args);
}
