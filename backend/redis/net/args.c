/* A Redis command being put together; see args.h. */
#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 24 };

/* Numbers lie in a list, so that words may point at them while more are added. */
struct redis_number {
	struct redis_number *next;
	char text[NUMBER_MAX];
};

void redis_args_done(struct redis_args *args)
{
	for (struct redis_number *number = args->numbers, *next; number; number = next) {
		next = number->next;
		free(number);
	}
	free(args->words);
	free(args->sizes);
	*args = (struct redis_args){0};
}

static int args_grow(struct redis_args *args)
{
	size_t capacity = args->capacity ? 2 * args->capacity : 16;
	const char **words = reallocarray(args->words, capacity, sizeof(*words));

	if (!words)
		return -1;
	args->words = words;
	size_t *sizes = reallocarray(args->sizes, capacity, sizeof(*sizes));
	if (!sizes)
		return -1;
	args->sizes = sizes;
	args->capacity = capacity;
	return 0;
}

void redis_args_add_bytes(struct redis_args *args, const char *data, size_t size)
{
	if (args->count == args->capacity && args_grow(args) < 0) {
		args->failed = true;
		return;
	}
	args->words[args->count] = data;
	args->sizes[args->count++] = size;
}

void redis_args_add(struct redis_args *args, const char *text)
{
	redis_args_add_bytes(args, text, strlen(text));
}

void redis_args_add_blob(struct redis_args *args, const struct blob *blob)
{
	redis_args_add_bytes(args, blob_data(blob), blob_size(blob));
}

/* A number's text, to be written by the caller. NULL: out of memory, which is noted. */
static char *number_new(struct redis_args *args)
{
	struct redis_number *number = malloc(sizeof(*number));

	if (!number) {
		args->failed = true;
		return NULL;
	}
	number->next = args->numbers;
	args->numbers = number;
	return number->text;
}

void redis_args_add_number(struct redis_args *args, int64_t number)
{
	char *text = number_new(args);

	if (!text)
		return;
	snprintf(text, NUMBER_MAX, "%" PRId64, number);
	redis_args_add(args, text);
}

void redis_args_add_unsigned(struct redis_args *args, uint64_t number)
{
	char *text = number_new(args);

	if (!text)
		return;
	snprintf(text, NUMBER_MAX, "%" PRIu64, number);
	redis_args_add(args, text);
}
