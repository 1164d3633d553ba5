/* Passwords in store URLs: where they are, and how they are kept from ps, logs and messages (S2).
 */
#pragma once

#include <stdbool.h>

/*
 * Overwrites in place the password of scheme://user:PASSWORD@host… and of ?password=… by "***" (the
 * freed bytes become NUL), rather too much than too little. Returns whether there was one.
 */
bool secret_hide(char *text);

/* The same for each word of a sentence. */
void secret_hide_words(char *text);

/* A copy of `text` without its password, to be freed. NULL: out of memory. */
char *secret_hidden(const char *text);

/*
 * Copies of argv, good for the life of the process; in argv itself, which ps shows, the passwords
 * are overwritten. NULL: out of memory.
 */
char **secret_take_args(int argc, char **argv);

/* The value of an environment variable, to be freed, whose password is then overwritten likewise.
 */
char *secret_take_env(const char *name);
