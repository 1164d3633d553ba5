/* Base64, strict; see base64.h. */
#include "base/base64.h"

#include "base/cleanup.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct blob *base64_encode(const char *data, size_t size)
{
	size_t length = (size + 2) / 3 * 4, out = 0;
	char *text = malloc(length + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t group = 0;
		size_t have = size - i < 3 ? size - i : 3;
		for (size_t j = 0; j < 3; j++)
			group = group << 8 | (j < have ? (unsigned char)data[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			text[out++] = j <= have ? digits[group >> (18 - 6 * j) & 63] : '=';
	}
	return blob_adopt(text, length);
}

/* The 24 bits of four digits, of which the last `pad` are '='; -1: other characters. */
static int32_t decode_group(const char *text, size_t pad)
{
	int32_t group = 0;
	for (size_t j = 0; j < 4; j++) {
		const char *digit = text[j] ? strchr(digits, text[j]) : NULL;
		if (j >= 4 - pad ? text[j] != '=' : !digit)
			return -1;
		group = group << 6 | (j >= 4 - pad ? 0 : (int32_t)(digit - digits));
	}
	return group;
}

struct blob *base64_decode(const char *text, size_t size)
{
	if (size % 4 != 0)
		return NULL;
	size_t pad = size > 0 && text[size - 1] == '=' ? 1 + (text[size - 2] == '=') : 0;
	size_t length = size / 4 * 3 - pad, out = 0;
	CLEAN_FREE char *data = malloc(length + 1);
	if (!data)
		return NULL;
	for (size_t i = 0; i < size; i += 4) {
		size_t missing = i + 4 == size ? pad : 0;
		int32_t group = decode_group(text + i, missing);
		if (group < 0 || group & ((1 << 8 * missing) - 1)) /* bits nobody wrote */
			return NULL;
		for (size_t j = 0; j < 3 - missing; j++)
			data[out++] = (char)(group >> (16 - 8 * j));
	}
	struct blob *blob = blob_adopt(data, length);
	data = NULL;
	return blob;
}
