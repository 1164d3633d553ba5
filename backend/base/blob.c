/* Counted, shared runs of bytes; see blob.h. */
#include "base/blob.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { BLOB_CAPACITY_MIN = 64 };

struct blob *blob_adopt(char *data, size_t size)
{
	struct blob *blob = malloc(sizeof(*blob));
	if (!blob) {
		free(data);
		return NULL;
	}
	data[size] = '\0';
	*blob = (struct blob){.refs = 1, .size = size, .capacity = size, .data = data};
	return blob;
}

struct blob *blob_of_stream(FILE *stream, char **text, const size_t *size)
{
	bool failed = ferror(stream);
	/* glibc's fclose() returns 0 and leaves NULL where it could not shrink the text. */
	if (fclose(stream) == 0 && !failed && *text)
		return blob_adopt(*text, *size);
	free(*text);
	return NULL;
}

/* An empty blob with room for `capacity` bytes and the NUL. */
static struct blob *blob_with_room(size_t capacity)
{
	if (capacity >= PTRDIFF_MAX)
		return NULL;
	char *data = malloc(capacity + 1);
	if (!data)
		return NULL;
	struct blob *blob = blob_adopt(data, 0);
	if (blob)
		blob->capacity = capacity;
	return blob;
}

struct blob *blob_new(const void *data, size_t size)
{
	struct blob *blob = blob_with_room(size);
	if (!blob)
		return NULL;
	if (size > 0)
		memcpy(blob->data, data, size);
	blob->size = size;
	blob->data[size] = '\0';
	return blob;
}

struct blob *blob_ref(struct blob *blob)
{
	if (blob)
		__atomic_add_fetch(&blob->refs, 1, __ATOMIC_RELAXED);
	return blob;
}

void blob_unref(struct blob *blob)
{
	if (!blob || __atomic_sub_fetch(&blob->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(blob->data);
	free(blob);
}

/* Doubling keeps many small writes linear; the exact size comes first, for whole files. */
static size_t blob_capacity_for(const struct blob *blob, size_t size)
{
	size_t capacity = blob->capacity < BLOB_CAPACITY_MIN ? BLOB_CAPACITY_MIN : blob->capacity;
	if (capacity < SIZE_MAX / 4)
		capacity *= 2;
	return size > capacity ? size : capacity;
}

static int blob_grow(struct blob *blob, size_t size)
{
	if (size <= blob->capacity)
		return 0;
	size_t capacity = blob_capacity_for(blob, size);
	if (capacity >= PTRDIFF_MAX)
		return -ENOMEM;
	char *data = realloc(blob->data, capacity + 1);
	if (!data)
		return -ENOMEM;
	blob->data = data;
	blob->capacity = capacity;
	return 0;
}

int blob_own(struct blob **blob, size_t size)
{
	struct blob *old = *blob;
	if (old && __atomic_load_n(&old->refs, __ATOMIC_ACQUIRE) == 1)
		return blob_grow(old, size);

	size_t kept = blob_size(old);
	struct blob *own = blob_with_room(size > kept ? size : kept);
	if (!own)
		return -ENOMEM;
	memcpy(own->data, blob_data(old), kept);
	own->data[kept] = '\0';
	own->size = kept;
	*blob = own;
	blob_unref(old);
	return 0;
}

int blob_resize(struct blob **blob, size_t size)
{
	int r = blob_own(blob, size);
	if (r < 0)
		return r;
	struct blob *b = *blob;
	if (size > b->size)
		memset(b->data + b->size, 0, size - b->size);
	b->size = size;
	b->data[size] = '\0';
	return 0;
}

int blob_write(struct blob **blob, size_t offset, const void *data, size_t size)
{
	size_t end;
	if (__builtin_add_overflow(offset, size, &end))
		return -ENOMEM;
	int r = end > blob_size(*blob) ? blob_resize(blob, end) : blob_own(blob, 0);
	if (r < 0)
		return r;
	if (size > 0)
		memcpy((*blob)->data + offset, data, size);
	return 0;
}

bool blob_equal(const struct blob *a, const struct blob *b)
{
	return a == b ||
	       (blob_size(a) == blob_size(b) && !memcmp(blob_data(a), blob_data(b), blob_size(a)));
}
