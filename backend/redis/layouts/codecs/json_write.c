/* JSON as the tools write it; see json_write.h. */
#include "json_write.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

int json_write_end(struct json_out *out, struct blob **ret)
{
	if (out->rc < 0) {
		blob_unref(out->text);
		return out->rc;
	}
	*ret = out->text;
	return 0;
}

void json_write_bytes(struct json_out *out, const char *data, size_t size)
{
	if (out->rc == 0)
		out->rc = blob_write(&out->text, blob_size(out->text), data, size);
}

void json_write_word(struct json_out *out, const char *text)
{
	json_write_bytes(out, text, strlen(text));
}

static void write_unit(struct json_out *out, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', digits[unit >> 12 & 15], digits[unit >> 8 & 15],
		digits[unit >> 4 & 15], digits[unit & 15]};
	json_write_bytes(out, text, sizeof(text));
}

static void write_escape(struct json_out *out, int32_t code)
{
	static const char named[] = {['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't'};
	uint32_t value = (uint32_t)code;
	if (value < sizeof(named) && named[value]) {
		json_write_bytes(out, (char[]){'\\', named[value]}, 2);
	} else if (value < 0x10000) {
		write_unit(out, value);
	} else {
		write_unit(out, 0xD800 + ((value - 0x10000) >> 10));
		write_unit(out, 0xDC00 + ((value - 0x10000) & 0x3FF));
	}
}

static bool must_escape(enum json_style style, unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\' || (style != JSON_STYLE_RAW && c >= 0x7F);
}

void json_write_string(struct json_out *out, const char *text, size_t size)
{
	json_write_bytes(out, "\"", 1);
	for (size_t pos = 0; pos < size && out->rc == 0;) {
		size_t from = pos;
		while (pos < size && !must_escape(out->style, (unsigned char)text[pos]))
			pos++;
		json_write_bytes(out, text + from, pos - from);
		if (pos == size)
			break;
		int32_t code = utf8_next(text, size, &pos);
		if (code < 0)
			out->rc = -EINVAL;
		else
			write_escape(out, code);
	}
	json_write_bytes(out, "\"", 1);
}

void json_write_name(struct json_out *out, const char *text)
{
	json_write_string(out, text, strlen(text));
}

static void write_separator(struct json_out *out, char c)
{
	json_write_bytes(out, (char[]){c, ' '}, out->style == JSON_STYLE_ASCII ? 2 : 1);
}

void json_write_next(struct json_out *out)
{
	size_t size = blob_size(out->text);
	char last = size > 0 ? blob_data(out->text)[size - 1] : '{';
	if (last != '{' && last != '[')
		write_separator(out, ',');
}

void json_write_key(struct json_out *out, const char *key)
{
	json_write_next(out);
	json_write_name(out, key);
	write_separator(out, ':');
}

void json_write_member(struct json_out *out, const char *key, const char *text)
{
	json_write_key(out, key);
	json_write_name(out, text);
}

static void write_scalar(struct json_out *out, const char *data, struct json_range value)
{
	char first = data[value.start + (data[value.start] == '-')];
	if (out->style == JSON_STYLE_RAW && (first == 'N' || first == 'I'))
		json_write_word(out, "null");
	else
		json_write_bytes(out, data + value.start, value.size);
}

static void write_string_of(struct json_out *out, const char *data, struct json_range string)
{
	struct blob *text CLEAN_BLOB = NULL;
	int r = json_scan_text(data, string, &text);
	if (r < 0 && out->rc == 0)
		out->rc = r;
	json_write_string(out, blob_data(text), blob_size(text));
}

void json_write_value(struct json_out *out, const char *data, struct json_range value)
{
	size_t end = value.start + value.size;
	for (size_t pos = value.start; pos < end && out->rc == 0;) {
		char c = data[pos];
		struct json_range token = json_scan_token(data, pos, end);
		pos += token.size;
		if (c == '"')
			write_string_of(out, data, token);
		else if (c == ',' || c == ':')
			write_separator(out, c);
		else if (strchr("{}[]", c))
			json_write_bytes(out, &c, 1);
		else if (!strchr(" \t\r\n", c))
			write_scalar(out, data, token);
	}
}
