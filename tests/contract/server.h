/* A Redis or Valkey server of the suite's own, on a unix socket in a temporary folder. */
#pragma once

#include <stdbool.h>

/* Whether `program` can be found. */
bool server_is_there(const char *program);

/* Starts it and waits until it answers; ends the suite when it does not. Its socket's path. */
const char *server_start(const char *program);

/*
 * Sends one command, its words with one space between, "\\x20" for a space in a word, and returns
 * the integer it answers with, 0 for another answer; an error or no answer ends the suite.
 */
long long server_command(const char *format, ...) __attribute__((format(printf, 1, 2)));

void server_stop(void); /* and removes the folder */
