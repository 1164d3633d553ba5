/* Becoming a daemon: the parent waits for one report of the child, prints it and ends with it. */
#pragma once

#include <stdbool.h>

struct daemon {
	int report_fd; /* to the parent; -1: foreground, or reported already */
	bool background;
};

/*
 * Forks if `background`, before any thread runs. 0 in the daemon (or in the foreground); 1 in the
 * parent once the daemon has reported, with what is to be the exit status; -errno.
 */
int daemon_start(struct daemon *daemon, bool background, int *ret_status);

/*
 * Reports how it went, in lines that end with '\n': status 0 to stdout, others to stderr.
 * With status 0 a background daemon then lets go of the terminal.
 */
void daemon_report(struct daemon *daemon, int status, const char *lines);
