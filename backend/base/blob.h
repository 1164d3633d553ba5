/* A counted, shared run of bytes: file contents and metadata travel as blobs without being copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Immutable while anyone else may hold it; data[size] is a NUL that does not count. */
struct blob {
	unsigned refs; /* atomic */
	size_t size;
	size_t capacity; /* bytes there is room for, the NUL not counted */
	char *data;
};

/* A copy of `size` bytes at `data`. NULL: out of memory. One reference, the caller's. */
struct blob *blob_new(const void *data, size_t size);

/*
 * Takes over `data` (from malloc, with room for the NUL at data[size]). NULL: out of memory, and
 * `data` is freed.
 */
struct blob *blob_adopt(char *data, size_t size);

/*
 * Ends a stream of open_memstream() and takes its text over. NULL: out of memory, also while it was
 * written.
 */
struct blob *blob_of_stream(FILE *stream, char **text, const size_t *size);

struct blob *blob_ref(struct blob *blob); /* takes NULL, returns its argument */
void blob_unref(struct blob *blob); /* takes NULL */

/*
 * Makes *blob the caller's alone, copying it if it is shared, with room for `size` bytes (its size
 * stays). *blob may be NULL: an empty one. 0, or -ENOMEM with *blob as it was.
 */
int blob_own(struct blob **blob, size_t size);

/* Writes into *blob at `offset`, filling a gap with NUL bytes. 0 or -ENOMEM. */
int blob_write(struct blob **blob, size_t offset, const void *data, size_t size);

/* Cuts *blob, or fills it up with NUL bytes, to `size`. 0 or -ENOMEM. */
int blob_resize(struct blob **blob, size_t size);

static inline size_t blob_size(const struct blob *blob)
{
	return blob ? blob->size : 0;
}

static inline const char *blob_data(const struct blob *blob)
{
	return blob ? blob->data : "";
}

/* The same bytes; NULL is as an empty one. */
bool blob_equal(const struct blob *a, const struct blob *b);

static inline void blob_unrefp(struct blob **blob)
{
	blob_unref(*blob);
}
#define CLEAN_BLOB __attribute__((cleanup(blob_unrefp)))
