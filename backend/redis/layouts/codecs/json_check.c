/* Whether bytes are one JSON value and nothing else; see json_scan(). */
#include "json_scan.h"

#include "base/utf8.h"

#include "eight.h"

#include <errno.h>
#include <string.h>

struct check {
	const char *data;
	size_t size, pos;
	size_t depth, deepest;
	uint64_t objects[JSON_SCAN_DEPTH_MAX / 64 + 1]; /* a bit a level: object or array */
};

static char peek(const struct check *check)
{
	return check->pos < check->size ? check->data[check->pos] : '\0';
}

static bool take(struct check *check, char c)
{
	if (check->pos >= check->size || check->data[check->pos] != c)
		return false;
	check->pos++;
	return true;
}

static void pass_space(struct check *check)
{
	while (peek(check) == ' ' || peek(check) == '\t' || peek(check) == '\n' ||
		peek(check) == '\r')
		check->pos++;
}

static bool take_word(struct check *check, const char *word)
{
	size_t size = strlen(word);
	if (check->size - check->pos < size || memcmp(check->data + check->pos, word, size) != 0)
		return false;
	check->pos += size;
	return true;
}

static bool take_digits(struct check *check)
{
	size_t from = check->pos;
	while (peek(check) >= '0' && peek(check) <= '9')
		check->pos++;
	return check->pos > from;
}

static bool take_number(struct check *check)
{
	take(check, '-');
	if (peek(check) == 'I')
		return take_word(check, "Infinity");
	if (!take(check, '0') && !take_digits(check))
		return false;
	if (take(check, '.') && !take_digits(check))
		return false;
	if (!take(check, 'e') && !take(check, 'E'))
		return true;
	if (!take(check, '+'))
		take(check, '-');
	return take_digits(check);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool take_escape(struct check *check)
{
	switch (peek(check)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		check->pos++;
		return true;
	case 'u':
		check->pos++;
		for (int i = 0; i < 4; i++, check->pos++)
			if (!is_hex(peek(check)))
				return false;
		return true;
	default:
		return false;
	}
}

/* Passes over bytes of a string that are plain ASCII, while there are eight. */
static void pass_plain(struct check *check)
{
	size_t passed = 8;
	while (passed == 8 && check->size - check->pos >= 8) {
		uint64_t eight = eight_load(check->data + check->pos);
		passed = eight_before(eight_is_not_ascii(eight) | eight_is_control(eight) |
				      eight_is(eight, '"') | eight_is(eight, '\\'));
		check->pos += passed;
	}
}

static bool take_string(struct check *check)
{
	if (!take(check, '"'))
		return false;
	while (true) {
		pass_plain(check);
		unsigned char c = (unsigned char)peek(check);
		if (c < 0x20) /* or the end */
			return false;
		if (c >= 0x80) {
			if (utf8_next(check->data, check->size, &check->pos) < 0)
				return false;
			continue;
		}
		check->pos++;
		if (c == '"')
			return true;
		if (c == '\\' && !take_escape(check))
			return false;
	}
}

static bool take_scalar(struct check *check)
{
	switch (peek(check)) {
	case '"':
		return take_string(check);
	case 't':
		return take_word(check, "true");
	case 'f':
		return take_word(check, "false");
	case 'n':
		return take_word(check, "null");
	case 'N':
		return take_word(check, "NaN");
	default:
		return take_number(check);
	}
}

static bool in_object(const struct check *check)
{
	size_t level = check->depth - 1;
	return check->objects[level / 64] >> (level % 64) & 1;
}

static bool enter(struct check *check, bool object)
{
	size_t level = check->depth;
	if (level >= JSON_SCAN_DEPTH_MAX)
		return false;
	uint64_t bit = UINT64_C(1) << (level % 64), *bits = &check->objects[level / 64];
	*bits = object ? *bits | bit : *bits & ~bit;
	check->depth++;
	if (check->depth > check->deepest)
		check->deepest = check->depth;
	return true;
}

static bool take_key(struct check *check)
{
	pass_space(check);
	if (!take_string(check))
		return false;
	pass_space(check);
	return take(check, ':');
}

/* Leaves the levels that end here, and takes what stands before the next value if one follows. */
static bool take_ends(struct check *check)
{
	while (check->depth > 0) {
		pass_space(check);
		bool object = in_object(check);
		if (take(check, ','))
			return !object || take_key(check);
		if (!take(check, object ? '}' : ']'))
			return false;
		check->depth--;
	}
	return true;
}

/* One scalar, or the beginning of an object or array, and all levels that end behind it. */
static bool take_step(struct check *check)
{
	pass_space(check);
	bool object = peek(check) == '{';
	if (!object && peek(check) != '[')
		return take_scalar(check) && take_ends(check);
	check->pos++;
	if (!enter(check, object))
		return false;
	pass_space(check);
	if (peek(check) == (object ? '}' : ']'))
		return take_ends(check);
	return !object || take_key(check);
}

int json_scan(const char *data, size_t size, struct json_range *ret, size_t *ret_depth)
{
	struct check check;
	check.data = data;
	check.size = size;
	check.pos = check.depth = check.deepest = 0; /* the bits need no beginning */
	pass_space(&check);
	size_t start = check.pos;
	do {
		if (!take_step(&check))
			return -EBADMSG;
	} while (check.depth > 0);
	size_t end = check.pos;
	pass_space(&check);
	if (check.pos != size)
		return -EBADMSG;
	*ret = (struct json_range){start, end - start};
	if (ret_depth)
		*ret_depth = check.deepest;
	return 0;
}
