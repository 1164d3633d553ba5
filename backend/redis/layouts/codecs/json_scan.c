/* Going through JSON that was checked; see json_scan.h. */
#include "json_scan.h"

#include <errno.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD };

enum json_kind json_scan_kind(const char *data, struct json_range value)
{
	if (value.size == 0)
		return JSON_KIND_NONE;
	switch (data[value.start]) {
	case '{':
		return JSON_KIND_OBJECT;
	case '[':
		return JSON_KIND_ARRAY;
	case '"':
		return JSON_KIND_STRING;
	case 't':
	case 'f':
		return JSON_KIND_BOOL;
	case 'n':
		return JSON_KIND_NULL;
	default:
		return JSON_KIND_NUMBER;
	}
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t pass_space(const char *data, size_t pos)
{
	while (is_space(data[pos]))
		pos++;
	return pos;
}

/*
 * From a string's first quote to behind its last: the first without an odd number of '\\' before
 * it. The library looks for a byte many times faster than a loop.
 */
static size_t pass_string(const char *data, size_t pos)
{
	while (true) {
		const char *quote = rawmemchr(data + pos + 1, '"');
		size_t escapes = 0;
		while (*(quote - escapes - 1) == '\\')
			escapes++;
		pos = (size_t)(quote - data);
		if (escapes % 2 == 0)
			return pos + 1;
	}
}

/* From an object's or array's first byte to behind its last. */
static size_t pass_container(const char *data, size_t pos)
{
	size_t depth = 0;
	do {
		char c = data[pos];
		if (c == '"') {
			pos = pass_string(data, pos);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		pos++;
	} while (depth > 0);
	return pos;
}

static size_t pass_value(const char *data, size_t pos)
{
	if (data[pos] == '"')
		return pass_string(data, pos);
	if (data[pos] == '{' || data[pos] == '[')
		return pass_container(data, pos);
	while (data[pos] != ',' && data[pos] != '}' && data[pos] != ']' && !is_space(data[pos]))
		pos++;
	return pos;
}

struct json_range json_scan_token(const char *data, size_t pos, size_t end)
{
	size_t to = pos + 1;
	if (data[pos] == '"')
		to = pass_string(data, pos);
	else if (!strchr("{}[],: \t\n\r", data[pos]))
		while (to < end && !strchr("{}[],: \t\n\r", data[to]))
			to++;
	return (struct json_range){pos, to - pos};
}

struct json_walk json_scan_walk(const char *data, struct json_range container)
{
	return (struct json_walk){
		.data = data, .pos = container.start + 1, .object = data[container.start] == '{'};
}

static struct json_range walk_take(struct json_walk *walk)
{
	size_t start = walk->pos;
	walk->pos = pass_value(walk->data, start);
	return (struct json_range){start, walk->pos - start};
}

bool json_scan_next(struct json_walk *walk)
{
	const char *data = walk->data;
	walk->pos = pass_space(data, walk->pos);
	if (data[walk->pos] == ',')
		walk->pos = pass_space(data, walk->pos + 1);
	if (data[walk->pos] == '}' || data[walk->pos] == ']')
		return false;
	if (walk->object) {
		walk->key = walk_take(walk);
		walk->pos = pass_space(data, pass_space(data, walk->pos) + 1);
	}
	walk->value = walk_take(walk);
	return true;
}

void json_scan_members(const char *data, struct json_range object, const char *const *names,
	size_t count, struct json_range *ret)
{
	memset(ret, 0, count * sizeof(*ret));
	if (json_scan_kind(data, object) != JSON_KIND_OBJECT)
		return;
	struct json_walk walk = json_scan_walk(data, object);
	while (json_scan_next(&walk))
		for (size_t i = 0; i < count; i++)
			if (json_scan_is(data, walk.key, names[i]))
				ret[i] = walk.value;
}

struct json_range json_scan_member(const char *data, struct json_range object, const char *name)
{
	struct json_range value;
	json_scan_members(data, object, &name, 1, &value);
	return value;
}

static int32_t hex_digits(const char *at)
{
	int32_t value = 0;
	for (int i = 0; i < 4; i++)
		value = value << 4 | (at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return value;
}

/* The code point of the escape whose '\' is at *pos, and *pos behind it. */
static int32_t take_escape(const char *data, size_t *pos)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = data[*pos + 1];
	*pos += 2;
	if (c != 'u') {
		const char *letter = strchr(letters, c);
		return letter ? meanings[letter - letters] : c;
	}
	int32_t code = hex_digits(data + *pos);
	*pos += 4;
	if (code < 0xD800 || code > 0xDFFF)
		return code;
	if (code > 0xDBFF || data[*pos] != '\\' || data[*pos + 1] != 'u')
		return REPLACEMENT;
	int32_t low = hex_digits(data + *pos + 2);
	if (low < 0xDC00 || low > 0xDFFF)
		return REPLACEMENT;
	*pos += 6;
	return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

static size_t utf8_write(int32_t code, char *ret)
{
	static const unsigned char firsts[] = {0, 0, 0xC0, 0xE0, 0xF0};
	size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = size - 1; i > 0; i--, code >>= 6)
		ret[i] = (char)(0x80 | (code & 0x3F));
	ret[0] = (char)(firsts[size] | code);
	return size;
}

/* The bytes up to the next escape or the end of the string. */
static size_t plain_size(const char *data, size_t pos, size_t end)
{
	const char *escape = memchr(data + pos, '\\', end - pos);
	return escape ? (size_t)(escape - data) - pos : end - pos;
}

bool json_scan_is(const char *data, struct json_range value, const char *text)
{
	if (json_scan_kind(data, value) != JSON_KIND_STRING)
		return false;
	size_t end = value.start + value.size - 1, rest = strlen(text);
	for (size_t pos = value.start + 1; pos < end;) {
		char code[4];
		const char *part = data + pos;
		size_t size = plain_size(data, pos, end);
		pos += size;
		if (size == 0) {
			part = code;
			size = utf8_write(take_escape(data, &pos), code);
		}
		if (size > rest || memcmp(part, text, size) != 0)
			return false;
		text += size;
		rest -= size;
	}
	return rest == 0;
}

/* What a string says never takes more bytes than it does itself. */
int json_scan_text(const char *data, struct json_range string, struct blob **text)
{
	size_t end = string.start + string.size - 1, out = blob_size(*text);
	int r = blob_resize(text, out + string.size - 2);
	if (r < 0)
		return r;
	char *to = (*text)->data;
	for (size_t pos = string.start + 1; pos < end;) {
		size_t size = plain_size(data, pos, end);
		memcpy(to + out, data + pos, size);
		out += size;
		pos += size;
		if (pos < end)
			out += utf8_write(take_escape(data, &pos), to + out);
	}
	return blob_resize(text, out);
}
