/* Names of threads, turns and attachments (N1 to N4); see name.h. */
#include "base/name.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TURN_DIGITS = 6 };

static bool code_allowed(int32_t code)
{
	return code >= 0 && code != '/' && !utf8_is_control(code);
}

/* What N1 asks of both kinds of names. */
static int check_characters(const char *name, size_t size)
{
	if (size == 0)
		return -EINVAL;
	if (size > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	for (size_t pos = 0; pos < size;)
		if (!code_allowed(utf8_next(name, size, &pos)))
			return -EINVAL;
	return 0;
}

static int check_thread(const char *name, size_t size)
{
	if (size > 0 && (name[0] == '.' || name[0] == '@'))
		return -EINVAL;
	return check_characters(name, size);
}

int name_thread_check(const char *name)
{
	return check_thread(name, strlen(name));
}

int name_file_check(const char *name)
{
	if (name[0] == '@' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return check_characters(name, strlen(name));
}

/* Not isdigit() and its kind: those ask the locale. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool role_valid(const char *role, size_t size)
{
	if (size == 0 || size > ROLE_MAX_BYTES || !is_lower(role[0]))
		return false;
	for (size_t i = 1; i < size; i++)
		if (!is_lower(role[i]) && !is_digit(role[i]) && role[i] != '_' && role[i] != '-')
			return false;
	return true;
}

bool name_role_valid(const char *role)
{
	return role_valid(role, strlen(role));
}

bool name_turn_parse(const char *name, uint32_t *ret_number, char *ret_role)
{
	uint32_t number = 0;
	for (int i = 0; i < TURN_DIGITS; i++) {
		if (!is_digit(name[i]))
			return false;
		number = number * 10 + (uint32_t)(name[i] - '0');
	}
	if (number == 0 || name[TURN_DIGITS] != '-')
		return false;
	const char *role = name + TURN_DIGITS + 1;
	size_t size = strlen(role);
	if (size < 3 || strcmp(role + size - 3, ".md") != 0 || !role_valid(role, size - 3))
		return false;
	if (ret_number)
		*ret_number = number;
	if (ret_role) {
		memcpy(ret_role, role, size - 3);
		ret_role[size - 3] = '\0';
	}
	return true;
}

void name_turn_format(char *name, uint32_t number, const char *role)
{
	snprintf(name, NAME_MAX_BYTES + 1, "%06u-%s.md", number, role);
}

bool name_is_scratch(const char *name)
{
	size_t size = strlen(name);
	return size > 0 && (name[0] == '.' || name[size - 1] == '~');
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes one round of %XX in place; returns the new size, or 0 if there is none or a broken one. */
static size_t percent_decode(char *text, size_t size)
{
	size_t out = 0;
	for (size_t i = 0; i < size; i++, out++) {
		text[out] = text[i];
		if (text[i] != '%')
			continue;
		int high = i + 2 < size ? hex_value(text[i + 1]) : -1;
		int low = i + 2 < size ? hex_value(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return 0;
		text[out] = (char)(high << 4 | low);
		i += 2;
	}
	return out < size ? out : 0;
}

/* Writes `id` with %XX for what N1 does not allow, and for '%'. Returns the size, 0: too long. */
static size_t percent_encode(const char *id, size_t size, char *ret)
{
	size_t out = 0;
	for (size_t pos = 0; pos < size;) {
		size_t from = pos;
		int32_t code = utf8_next(id, size, &pos);
		if (code < 0)
			pos++;
		bool plain = code_allowed(code) && code != '%' &&
			     !(from == 0 && (code == '.' || code == '@'));
		for (size_t i = from; i < pos; i++) {
			if (out + (plain ? 1 : 3) > NAME_MAX_BYTES)
				return 0;
			if (plain)
				ret[out++] = id[i];
			else
				out += (size_t)sprintf(ret + out, "%%%02X", (unsigned char)id[i]);
		}
	}
	ret[out] = '\0';
	return out;
}

/*
 * Whether a name is how some id is shown that cannot be shown as it is: undoing a round of %XX
 * gives one that breaks N1, or one that is such a name itself, and doing it again gives the name
 * back.
 */
static bool is_encoded(const char *name, size_t size)
{
	char round[NAME_MAX_BYTES + 1], again[NAME_MAX_BYTES + 1], before[NAME_MAX_BYTES + 1];
	memcpy(round, name, size);
	while (true) {
		memcpy(before, round, size);
		size_t less = percent_decode(round, size);
		if (less == 0 || percent_encode(round, less, again) != size ||
			memcmp(again, before, size) != 0)
			return false;
		if (check_thread(round, less) < 0)
			return true;
		size = less;
	}
}

int name_encode(const char *id, unsigned long size, char *ret)
{
	if (size == 0)
		return -EINVAL;
	if (check_thread(id, size) == 0 && !is_encoded(id, size)) {
		memcpy(ret, id, size);
		ret[size] = '\0';
		return 0;
	}
	char text[NAME_MAX_BYTES + 1];
	size_t shown = percent_encode(id, size, text);
	if (shown == 0)
		return -ENAMETOOLONG;
	memcpy(ret, text, shown + 1);
	return 0;
}

void name_decode(const char *name, char *ret, unsigned long *ret_size)
{
	size_t size = strnlen(name, NAME_MAX_BYTES);
	memcpy(ret, name, size);
	ret[size] = '\0';
	*ret_size = is_encoded(name, size) ? percent_decode(ret, size) : size;
}
