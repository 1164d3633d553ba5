/* Text of unknown origin on its way to a terminal. */
#include "terminal.h"

#include "base/utf8.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

static bool code_is_harmless(int32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	if (code == 0x061c || code == 0x200e || code == 0x200f)
		return false;
	return !((code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069));
}

char *terminal_clean(char *text)
{
	if (!text)
		return NULL;
	size_t size = strlen(text), out = 0;
	for (size_t pos = 0; pos < size;) {
		size_t start = pos;
		int32_t code = utf8_next(text, size, &pos);
		if (code < 0)
			pos = start + 1;
		if (code >= 0 && code_is_harmless(code)) {
			memmove(text + out, text + start, pos - start);
			out += pos - start;
		} else {
			text[out++] = '?';
		}
	}
	text[out] = '\0';
	return text;
}

size_t terminal_width(const char *text)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL); /* as wcwidth() wants it */
	locale_t before = utf8 ? uselocale(utf8) : NULL;
	size_t width = 0, size = strlen(text);
	for (size_t pos = 0; pos < size;) {
		int32_t code = utf8_next(text, size, &pos);
		int columns = code < 0 ? -1 : wcwidth(code);
		pos += code < 0;
		width += columns < 0 ? 1 : (size_t)columns;
	}
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return width;
}
