/* UTF-8 as RFC 3629 has it; see utf8.h. */
#include "base/utf8.h"

#include <string.h>

static bool is_continuation(unsigned char byte)
{
	return (byte & 0xC0) == 0x80;
}

/* The length a first byte announces, and its bits of the code point; 0: no first byte. */
static size_t first_byte(unsigned char byte, int32_t *ret_bits)
{
	if (byte < 0x80) {
		*ret_bits = byte;
		return 1;
	}
	if (byte >= 0xC2 && byte <= 0xDF) {
		*ret_bits = byte & 0x1F;
		return 2;
	}
	if (byte >= 0xE0 && byte <= 0xEF) {
		*ret_bits = byte & 0x0F;
		return 3;
	}
	if (byte >= 0xF0 && byte <= 0xF4) {
		*ret_bits = byte & 0x07;
		return 4;
	}
	return 0;
}

int32_t utf8_next(const char *data, size_t size, size_t *pos)
{
	static const int32_t least[] = {
		0, 0, 0x80, 0x800, 0x10000}; /* by length: no overlong forms */
	if (*pos >= size)
		return -1;
	int32_t code;
	const unsigned char *at = (const unsigned char *)data + *pos;
	size_t length = first_byte(at[0], &code);
	if (length == 0 || length > size - *pos)
		return -1;
	for (size_t i = 1; i < length; i++) {
		if (!is_continuation(at[i]))
			return -1;
		code = code << 6 | (at[i] & 0x3F);
	}
	if (code < least[length] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		return -1;
	*pos += length;
	return code;
}

bool utf8_valid(const char *data, size_t size)
{
	for (size_t pos = 0; pos < size;)
		if (utf8_next(data, size, &pos) < 0)
			return false;
	return true;
}

bool utf8_is_control(int32_t code)
{
	return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C || code == 0x200E ||
	       code == 0x200F || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void utf8_printable(char *text)
{
	size_t size = strlen(text), out = 0;
	for (size_t pos = 0; pos < size;) {
		size_t from = pos;
		int32_t code = utf8_next(text, size, &pos);
		if (code < 0)
			pos++;
		if (code < 0 || utf8_is_control(code)) {
			text[out++] = '?';
			continue;
		}
		memmove(text + out, text + from, pos - from);
		out += pos - from;
	}
	text[out] = '\0';
}
