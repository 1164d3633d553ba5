/* What a mount says of itself, in the files of its .turnfs. */
#include "told.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { CHUNK = 1 << 16, SIZE_MAX_READ = 64 << 20 };

int told_read(const char *mountpoint, const char *name, struct blob **ret)
{
	CLEAN_FREE char *path = NULL;
	CLEAN_BLOB struct blob *text = blob_new("", 0);
	char *chunk = NULL;
	if (!text || asprintf(&path, "%s/.turnfs/%s", mountpoint, name) < 0)
		return -ENOMEM;
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	chunk = malloc(CHUNK);
	ssize_t got = -1;
	int rc = chunk ? 0 : -ENOMEM;
	while (!rc && blob_size(text) < SIZE_MAX_READ && (got = read(fd, chunk, CHUNK)) > 0)
		rc = blob_write(&text, blob_size(text), chunk, (size_t)got);
	if (!rc && got < 0)
		rc = -errno;
	free(chunk);
	if (!rc)
		*ret = blob_ref(text);
	return rc;
}

const char *told_strerror(int rc)
{
	return rc == -ENOTCONN ? "its daemon has ended; mount it again" : strerror(-rc);
}

int told_trouble(const char *mountpoint, int rc, struct errtext *error)
{
	if (rc == -ENOTCONN)
		return errtext_set(
			error, rc, "%s does not answer: %s", mountpoint, told_strerror(rc));
	return errtext_set(error, rc, "%s cannot be read: %s; `turnfs status %s` says why",
		mountpoint, strerror(-rc), mountpoint);
}

char *told_value(const struct blob *text, const char *key)
{
	size_t length = strlen(key);
	const char *line = blob_data(text);
	while (line) {
		if (!strncmp(line, key, length) && strchr(": =", line[length])) {
			const char *value = line + length + strspn(line + length, ": =");
			return strndup(value, strcspn(value, "\n"));
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return NULL;
}
