/* UTF-8, as RFC 3629 has it: no surrogates, no overlong forms, nothing over U+10FFFF. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const char *data, size_t size);

/*
 * The next code point of data[*pos..size) and *pos moved past it, or -1 (*pos unmoved) if what is
 * there is not UTF-8.
 */
int32_t utf8_next(const char *data, size_t size, size_t *pos);

/*
 * Makes a C string fit for a log or a terminal, in place: what is not UTF-8, and every C0, C1, DEL,
 * U+2028/9 and bidi control becomes '?'.
 */
void utf8_printable(char *text);

/* C0, C1, DEL, U+2028/9 and bidi controls: what neither a name nor a log line may have. */
bool utf8_is_control(int32_t code);
