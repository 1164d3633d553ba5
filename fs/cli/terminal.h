/* Text of unknown origin on its way to a terminal. */
#pragma once

#include <stddef.h>

/*
 * Replaces in place what could steer a terminal or deceive a reader (C0, DEL, C1, line separators,
 * bidi controls, bytes that are not UTF-8) by '?'. Returns its argument; takes NULL.
 */
char *terminal_clean(char *text);

/* The columns that a cleaned text takes, counting each code point as one. */
size_t terminal_width(const char *text);
