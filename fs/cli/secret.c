/* Passwords in store URLs: where they are, and how they are kept from ps, logs and messages (S2).
 */
#include "secret.h"

#include "base/cleanup.h"

#include <string.h>

/* Puts "***" (or less, where there is less room) in the place of `size` bytes at `secret`. */
static void cut(char *secret, size_t size)
{
	size_t tail = strlen(secret + size), stars = size < 3 ? size : 3;
	memmove(secret + stars, secret + size, tail);
	memset(secret + stars + tail, '\0', size - stars);
	memset(secret, '*', stars);
}

/* Everything up to the last '@' counts, for a password may have any character in it. */
static bool hide_userinfo(char *text)
{
	char *start = strstr(text, "://");
	char *end = start ? strrchr(start, '@') : NULL;
	if (!end)
		return false;
	start += 3;
	char *colon = memchr(start, ':', (size_t)(end - start));
	if (colon)
		start = colon + 1;
	if (end > start)
		cut(start, (size_t)(end - start));
	return end > start;
}

static bool hide_parameter(char *text)
{
	char *start = strstr(text, "://") ? strcasestr(text, "password=") : NULL;
	if (!start)
		return false;
	start += strlen("password=");
	size_t size = strcspn(start, "&");
	if (size)
		cut(start, size);
	return size;
}

bool secret_hide(char *text)
{
	bool in_parameter = hide_parameter(text);
	return hide_userinfo(text) || in_parameter;
}

void secret_hide_words(char *text)
{
	char *out = text;
	for (char *word; (word = strsep(&text, " "));) {
		bool is_last = !text;
		secret_hide(word);
		size_t size = strlen(word);
		memmove(out, word, size);
		out += size;
		*out++ = is_last ? '\0' : ' ';
	}
}

char *secret_hidden(const char *text)
{
	char *copy = strdup(text);
	if (copy)
		secret_hide(copy);
	return copy;
}

char **secret_take_args(int argc, char **argv)
{
	static char **taken; /* reachable for ever, on purpose */
	taken = calloc((size_t)argc + 1, sizeof(*taken));
	for (int i = 0; taken && i < argc; i++) {
		taken[i] = strdup(argv[i]);
		if (!taken[i])
			return NULL;
		secret_hide(argv[i]);
	}
	return taken;
}

char *secret_take_env(const char *name)
{
	char *value = getenv(name);
	char *copy = value ? strdup(value) : NULL;
	if (copy)
		secret_hide(value);
	return copy;
}
