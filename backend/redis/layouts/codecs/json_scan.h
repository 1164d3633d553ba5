/*
 * JSON as bytes: says where values lie in a text, and changes none of it. Nothing here recurses or
 * allocates by depth; every function takes time in proportion to the bytes it is given.
 */
#pragma once

#include "base/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_SCAN_DEPTH_MAX = 100000 };

struct json_range {
	size_t start, size; /* size 0: not there */
};

/*
 * Checks that data[0..size) is exactly one JSON value as RFC 8259 has it, in UTF-8, and sets where
 * it lies and how deeply it is nested (a scalar: 0; may be NULL). Python also writes NaN, Infinity
 * and -Infinity, and reads them back: they pass as numbers, so that one of them in a field nobody
 * asked for does not hide a conversation that its own tool can read. Escapes of lone surrogates
 * pass too. 0 or -EBADMSG, also for nesting over JSON_SCAN_DEPTH_MAX.
 */
int json_scan(const char *data, size_t size, struct json_range *ret, size_t *ret_depth);

/* All below take only ranges of values in a text that json_scan() passed. */

enum json_kind {
	JSON_KIND_NONE = 0, /* not there */
	JSON_KIND_OBJECT = 1 << 0,
	JSON_KIND_ARRAY = 1 << 1,
	JSON_KIND_STRING = 1 << 2,
	JSON_KIND_NUMBER = 1 << 3,
	JSON_KIND_BOOL = 1 << 4,
	JSON_KIND_NULL = 1 << 5,
	JSON_KIND_ANY = (1 << 6) - 1,
};
enum json_kind json_scan_kind(const char *data, struct json_range value);

/* Goes through the members of an object or the elements of an array, as they are written. */
struct json_walk {
	const char *data;
	size_t pos;
	bool object;
	struct json_range key; /* the string, quotes and all; of an array's elements: size 0 */
	struct json_range value;
};
struct json_walk json_scan_walk(const char *data, struct json_range container);
bool json_scan_next(struct json_walk *walk);

/*
 * Several members of an object in one pass: ret[i] is the value of names[i]. Of several with the
 * same name it is the last, as for Python. Anything else than an object has no members.
 */
void json_scan_members(const char *data, struct json_range object, const char *const *names,
	size_t count, struct json_range *ret);
struct json_range json_scan_member(const char *data, struct json_range object, const char *name);

/* Whether the value is a string that says exactly `text`, however it is escaped. */
bool json_scan_is(const char *data, struct json_range value, const char *text);

/* What a string says, appended to *text (NULL: empty): UTF-8, U+FFFD for lone surrogates. -ENOMEM.
 */
int json_scan_text(const char *data, struct json_range string, struct blob **text);

/* The string, number, word or single byte (brackets, separators, white space) at `pos`. */
struct json_range json_scan_token(const char *data, size_t pos, size_t end);
