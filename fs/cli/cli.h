/* What the commands share: exit statuses, the one way to fail, and the table's entries. */
#pragma once

#include <stdbool.h>

enum {
	CLI_DONE = 0,
	CLI_FAILED = 1, /* the store could not be reached, or is not durable */
	CLI_USAGE = 2, /* what was asked for makes no sense */
	CLI_NO_MOUNT = 4, /* it could not be mounted */
};

/* Each gets argv from its own name on, and returns the exit status. */
int command_mount(int argc, char **argv);
int command_umount(int argc, char **argv);
int command_list(int argc, char **argv);
int command_status(int argc, char **argv);
int command_why(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_check(int argc, char **argv);

/* Prints "turnfs: " and one line on stderr, without control characters. Returns `status`. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for something that is said and does not stop us. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether it can be a thread's name; says so if not. */
bool cli_is_thread(const char *id);

/* Prints the version on stdout. Returns CLI_DONE. */
int cli_version(void);
