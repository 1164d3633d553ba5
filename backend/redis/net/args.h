/* A Redis command being put together: words that may have any bytes, numbers in decimal. */
#pragma once

#include "base/blob.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Words are borrowed, but for numbers, which are kept here; all zero is an empty command. A lack of
 * memory is remembered: whoever sends it gets -ENOMEM, so that nobody need ask at each word.
 */
struct redis_args {
	size_t count, capacity;
	const char **words;
	size_t *sizes;
	struct redis_number *numbers; /* their text */
	bool failed;
};

void redis_args_done(struct redis_args *args);
#define CLEAN_ARGS __attribute__((cleanup(redis_args_done)))

void redis_args_add(struct redis_args *args, const char *text); /* a C string */
void redis_args_add_bytes(struct redis_args *args, const char *data, size_t size);
void redis_args_add_blob(struct redis_args *args, const struct blob *blob); /* NULL: "" */
void redis_args_add_number(struct redis_args *args, int64_t number);
void redis_args_add_unsigned(struct redis_args *args, uint64_t number);
