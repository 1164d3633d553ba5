/* JSON text in and out; see json.h. */
#include "base/json.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* jansson often has no way to say that it lacked memory: a key is then just not set. */
static _Thread_local bool ran_out;

static void *allocate(size_t size)
{
	void *memory = malloc(size);
	if (!memory)
		ran_out = true;
	return memory;
}

__attribute__((constructor)) static void watch_memory(void)
{
	json_set_alloc_funcs(allocate, free);
}

void json_begin(void)
{
	ran_out = false;
}

bool json_ran_out(void)
{
	return ran_out;
}

/* What could not be made has memory as its reason. */
static struct blob *noted(struct blob *made)
{
	if (!made)
		ran_out = true;
	return made;
}

/*
 * What a wide integer begins with in memory: two characters that are none (U+FFFF, U+FFFE). A
 * string that looks so is not taken as one (plain_strings()).
 */
#define WIDE "\xef\xbf\xbf\xef\xbf\xbe"
enum { WIDE_SIZE = sizeof WIDE - 1, FITS = 18 /* digits that any 64 bits have room for */ };

/* The length of the integer at `text`, without leading zeros; 0: it is none. */
static size_t integer_size(const char *text, size_t size)
{
	size_t at = size && text[0] == '-';
	if (at == size || text[at] < '1' || text[at] > '9')
		return 0;
	while (at < size && text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

static bool is_wide(const char *text, size_t size)
{
	return size > WIDE_SIZE + FITS && !memcmp(text, WIDE, WIDE_SIZE) &&
	       integer_size(text + WIDE_SIZE, size - WIDE_SIZE) == size - WIDE_SIZE;
}

bool json_is_text(const json_t *value)
{
	return json_is_string(value) &&
	       !is_wide(json_string_value(value), json_string_length(value));
}

static size_t string_size(const char *text, size_t size)
{
	size_t at = 1;
	while (at < size && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < size ? at + 1 : size;
}

static size_t number_size(const char *text, size_t size)
{
	size_t at = 0;
	while (at < size && strchr("+-.0123456789Ee", text[at]))
		at++;
	return at;
}

static bool is_key(const char *text, size_t size)
{
	size_t at = 0;
	while (at < size && strchr(" \t\r\n", text[at]))
		at++;
	return at < size && text[at] == ':';
}

/* The text, which has no NUL, with its integers of 19 digits and more as strings; NULL: no JSON. */
static struct blob *widen(const char *text, size_t size)
{
	char *widened = NULL;
	size_t widened_size;
	FILE *out = open_memstream(&widened, &widened_size);
	if (!out)
		return noted(NULL);
	bool bad = false;
	for (size_t at = 0, length; at < size; at += length) {
		const char *from = text + at;
		length = *from == '"' ? string_size(from, size - at) : number_size(from, size - at);
		bool wide = length > FITS && *from != '"' && integer_size(from, length) == length;
		bad = bad || (wide && is_key(from + length, size - at - length));
		if (!length)
			length = 1;
		fputs(wide ? "\"" WIDE : "", out);
		fwrite(from, 1, length, out);
		fputs(wide ? "\"" : "", out);
	}
	struct blob *made = noted(blob_of_stream(out, &widened, &widened_size));
	if (!bad)
		return made;
	blob_unref(made);
	return NULL;
}

/* Whether a string in it may look like a wide integer: as it is, or by its escapes. */
static bool may_look_wide(const char *text, size_t size)
{
	if (memmem(text, size, WIDE, WIDE_SIZE))
		return true;
	for (size_t at = 0; at + 5 < size; at++)
		if (text[at] == '\\' && !strncasecmp(text + at + 1, "uffff", 5))
			return true;
	return false;
}

/* `value`, with strings that look like wide integers as base64, which tells the same bytes. */
static json_t *plain_strings(json_t *value)
{
	const char *key;
	void *next;
	size_t i;
	json_t *member;
	if (json_is_string(value) && !json_is_text(value)) {
		json_t *plain =
			json_from_bytes(json_string_value(value), json_string_length(value));
		json_decref(value);
		return plain;
	}
	json_object_foreach_safe(value, next, key, member)
	{
		json_object_set_new_nocheck(value, key, plain_strings(json_incref(member)));
	}
	json_array_foreach(value, i, member)
	{
		json_array_set_new(value, i, plain_strings(json_incref(member)));
	}
	return value;
}

json_t *json_parse(const char *text, size_t size)
{
	if (memchr(text, '\0', size)) /* jansson 2.14 passes over one behind a number */
		return NULL;
	/* It stops at its JSON_PARSER_MAX_DEPTH of 2048 and at anything behind the value. */
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
	json_error_t error;
	json_t *value = json_loadb(text, size, flags, &error);
	bool looks_wide = may_look_wide(text, size);
	if (value)
		return looks_wide ? plain_strings(value) : value;
	if (looks_wide || json_error_code(&error) != json_error_numeric_overflow)
		return NULL; /* no string of ours could be told from one of theirs */
	struct blob *wide CLEAN_BLOB = widen(text, size);
	return wide ? json_loadb(wide->data, wide->size, flags, NULL) : NULL;
}

static bool deeper_than(const json_t *value, int most)
{
	const char *key;
	size_t i;
	json_t *member;
	bool nests = json_is_object(value) || json_is_array(value), deeper = nests && !most;
	json_object_foreach((json_t *)value, key, member)
	{
		deeper = deeper || deeper_than(member, most - 1);
	}
	json_array_foreach(value, i, member)
	{
		deeper = deeper || deeper_than(member, most - 1);
	}
	return deeper;
}

bool json_too_deep(const json_t *value)
{
	return deeper_than(value, JSON_DEPTH_MOST);
}

static void write_string(FILE *out, const char *text, size_t size)
{
	static const char named[] = {['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't'};
	putc_unlocked('"', out);
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c < sizeof(named) && named[c])
			fprintf(out, "\\%c", named[c]);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			putc_unlocked(c, out);
	}
	putc_unlocked('"', out);
}

static void write_string_value(FILE *out, const char *text, size_t size)
{
	if (is_wide(text, size))
		fwrite(text + WIDE_SIZE, 1, size - WIDE_SIZE, out);
	else
		write_string(out, text, size);
}

/* 17 digits are enough for any double. A real stays one: "2.0", not "2". */
static void write_real(FILE *out, double value)
{
	char text[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	char *comma = strchr(text, ','); /* in some locales */
	if (comma)
		*comma = '.';
	fputs(text, out);
	if (!strpbrk(text, ".e"))
		fputs(".0", out);
}

static void write_break(FILE *out, unsigned flags, int depth)
{
	if (flags & JSON_TEXT_INDENT)
		fprintf(out, "\n%*s", depth * 2, "");
}

static void write_value(FILE *out, const json_t *value, unsigned flags, int depth);

static void write_object(FILE *out, const json_t *object, unsigned flags, int depth)
{
	bool first = true;
	putc_unlocked('{', out);
	json_t *o = (json_t *)object; /* jansson's iterators are not const, and change nothing */
	for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
		const char *key = json_object_iter_key(i);
		fputs(first ? "" : ",", out);
		first = false;
		write_break(out, flags, depth + 1);
		write_string(out, key, strlen(key));
		fputs(flags & JSON_TEXT_INDENT ? ": " : ":", out);
		write_value(out, json_object_iter_value(i), flags, depth + 1);
	}
	if (!first)
		write_break(out, flags, depth);
	putc_unlocked('}', out);
}

static void write_array(FILE *out, const json_t *array, unsigned flags, int depth)
{
	size_t size = json_array_size(array);
	putc_unlocked('[', out);
	for (size_t i = 0; i < size; i++) {
		fputs(i ? "," : "", out);
		write_break(out, flags, depth + 1);
		write_value(out, json_array_get(array, i), flags, depth + 1);
	}
	if (size > 0)
		write_break(out, flags, depth);
	putc_unlocked(']', out);
}

static void write_value(FILE *out, const json_t *value, unsigned flags, int depth)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return write_object(out, value, flags, depth);
	case JSON_ARRAY:
		return write_array(out, value, flags, depth);
	case JSON_STRING:
		return write_string_value(out, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return;
	case JSON_REAL:
		return write_real(out, json_real_value(value));
	case JSON_TRUE:
		fputs("true", out);
		return;
	case JSON_FALSE:
		fputs("false", out);
		return;
	case JSON_NULL:
		fputs("null", out);
		return;
	}
}

struct blob *json_text(const json_t *value, unsigned flags)
{
	char *text = NULL;
	size_t size;
	FILE *out = value && !ran_out ? open_memstream(&text, &size) : NULL;
	if (!out)
		return noted(NULL);
	write_value(out, value, flags, 0);
	if (flags & JSON_TEXT_INDENT)
		putc_unlocked('\n', out);
	return noted(blob_of_stream(out, &text, &size));
}

json_t *json_from_bytes(const char *data, size_t size)
{
	if (utf8_valid(data, size) && !is_wide(data, size))
		return json_stringn_nocheck(data, size);
	struct blob *text CLEAN_BLOB = base64_encode(data, size);
	return noted(text) ? json_pack("{s:s%}", "base64", text->data, text->size) : NULL;
}

struct blob *json_to_bytes(const json_t *value)
{
	if (json_is_text(value))
		return noted(blob_new(json_string_value(value), json_string_length(value)));
	const json_t *text = json_object_size(value) == 1 ? json_object_get(value, "base64") : NULL;
	if (!json_is_string(text))
		return NULL;
	errno = 0;
	struct blob *bytes = base64_decode(json_string_value(text), json_string_length(text));
	return bytes || errno != ENOMEM ? bytes : noted(NULL);
}

struct blob *json_to_shown(const json_t *value)
{
	struct blob *bytes = json_to_bytes(value);
	return bytes ? bytes : json_text(value, 0);
}
