/*
 * JSON as the tools write it, to the byte: a text that grows, in one of their styles. What fails is
 * told once, at the end.
 */
#pragma once

#include "json_scan.h"

enum json_style {
	/* pydantic's model_dump_json() and JSON.stringify(): compact, UTF-8 as it is, only '"', '\'
	   and what is below U+0020 escaped, by \b \f \n \r \t or \u00xx in lower case */
	JSON_STYLE_RAW,
	/* Python's json.dumps(): ", " and ": ", all but U+0020 to '~' escaped, \ud83d\ude00 */
	JSON_STYLE_ASCII,
	JSON_STYLE_ASCII_COMPACT, /* the same with separators=(",", ":") */
};

struct json_out {
	enum json_style style;
	struct blob *text;
	int rc; /* the first error */
};

/* The text, the caller's now: 0, or the first error, and nothing is left to free. */
int json_write_end(struct json_out *out, struct blob **ret);

void json_write_bytes(struct json_out *out, const char *data, size_t size); /* as they are */
void json_write_word(struct json_out *out, const char *text); /* the same, a C string */
void json_write_string(struct json_out *out, const char *text, size_t size); /* UTF-8 */
void json_write_name(struct json_out *out, const char *text); /* the same, a C string */

/* What stands before the next member or element: a separator, if it is not the first. */
void json_write_next(struct json_out *out);
void json_write_key(struct json_out *out, const char *key); /* and before it, the separator */
void json_write_member(struct json_out *out, const char *key, const char *text); /* a C string */

/*
 * A value of a text that json_scan() passed, written anew in this style; numbers keep their
 * spelling. NaN and its like become null where the style is RAW, as those tools have it.
 */
void json_write_value(struct json_out *out, const char *data, struct json_range value);
