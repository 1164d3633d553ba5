/* How a command with few arguments reads them: its options from a table, its operands in order. */
#include "command.h"

#include "args.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

static bool is_option(const char *text, const char *name, const char *letter)
{
	return !strcmp(text, name) || (letter && !strcmp(text, letter));
}

static const struct command_option *option_find(const struct command *command, const char *text)
{
	for (const struct command_option *o = command->options; o && o->name; o++)
		if (is_option(text, o->name, o->letter))
			return o;
	return NULL;
}

static int option_take(
	const struct command *command, const struct command_option *option, struct args *args)
{
	if (option->flag) {
		*option->flag = true;
		return CLI_DONE;
	}
	*option->value = args_value(args);
	if (*option->value)
		return CLI_DONE;
	return cli_fail(
		CLI_USAGE, "--%s needs %s: %s", option->name, option->wants, command->usage);
}

bool command_read(const struct command *command, int argc, char **argv, int *ret_status)
{
	struct args args;
	const char *text;
	const char **const *operand = command->operands;
	args_init(&args, argc, argv);
	for (enum arg_kind kind; (kind = args_next(&args, &text)) != ARG_END;) {
		const struct command_option *option =
			kind == ARG_OPTION ? option_find(command, text) : NULL;
		int status = CLI_DONE;
		if (kind == ARG_OPERAND && *operand) {
			**operand++ = text;
		} else if (option) {
			status = option_take(command, option, &args);
		} else if (kind == ARG_OPTION && is_option(text, "help", "h")) {
			*ret_status = fputs(command->help, stdout) < 0 ? CLI_FAILED : CLI_DONE;
			return false;
		} else if (kind == ARG_OPTION && is_option(text, "version", "V")) {
			*ret_status = cli_version();
			return false;
		} else {
			status = cli_fail(CLI_USAGE, "'%s%s' is not understood: %s",
				args_prefix(&args, kind), text, command->usage);
		}
		if (status != CLI_DONE) {
			*ret_status = status;
			return false;
		}
	}
	return true;
}
