/* JSON text in and out, on top of jansson (json_auto_t ends with its scope): order kept, short
 * numbers. */
#pragma once

#include "base/blob.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Whether memory was short for some value of this thread since json_begin(): a function of jansson
 * may have left something out without a word. What is to be stored, or shown, is asked first;
 * json_text() does so by itself.
 */
void json_begin(void);
bool json_ran_out(void);

/* Parses exactly one JSON value; NULL: it is none, or nested too deeply, or json_ran_out(). */
json_t *json_parse(const char *text, size_t size);

/*
 * Integers that do not fit 64 bits are kept with all their digits: in memory as a string that
 * nothing else becomes, in text and as an attribute as the number. False for these: it is a string.
 */
bool json_is_text(const json_t *value);

/*
 * What people may nest. Below what json_parse() takes, for what is kept is kept, and shown, within
 * objects of ours.
 */
enum { JSON_DEPTH_MOST = 2000 };
bool json_too_deep(const json_t *value);

enum { JSON_TEXT_INDENT = 1 << 0 }; /* two spaces a level, ends with a newline */

/*
 * The value as text: UTF-8 as it is, the shortest decimal that reads back as the same number.
 * Any kind of value. NULL: out of memory, now or while it was made.
 */
struct blob *json_text(const json_t *value, unsigned flags);

/*
 * A run of bytes as a JSON value: a string if it is UTF-8, else {"base64": "…"} (M1, W7).
 */
json_t *json_from_bytes(const char *data, size_t size);

/* The reverse, for strings and {"base64": "…"} objects. NULL: it is neither, or out of memory. */
struct blob *json_to_bytes(const json_t *value);

/*
 * How a metadata value shows as an attribute: strings and base64 objects as their bytes, other
 * values as JSON text. NULL: out of memory.
 */
struct blob *json_to_shown(const json_t *value);
