/* What this machine remembers of a store; see state.h. */
#include "base/state.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the names differ, not more is needed. */
uint64_t state_hash(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

char *state_path(const char *kind, const char *key, const char *ending)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	bool named = state && state[0] == '/';
	char *path = NULL;
	if (!named && (!home || home[0] != '/'))
		return NULL;
	int size = asprintf(&path, "%s%s/turnfs/%s-%016" PRIx64 ".%s", named ? state : home,
		named ? "" : "/.local/state", kind, state_hash(key), ending);
	return size < 0 ? NULL : path;
}

int state_make_directories(const char *path)
{
	CLEAN_FREE char *copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

static int write_new(const char *path, const char *text)
{
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t size = strlen(text);
	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, text, size);
	if (written < 0)
		return -errno;
	if ((size_t)written != size)
		return -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}

int state_write(const char *path, const char *text)
{
	CLEAN_FREE char *fresh = NULL;
	int rc = state_make_directories(path);
	if (rc < 0)
		return rc;
	if (asprintf(&fresh, "%s.%d", path, (int)getpid()) < 0)
		return -ENOMEM;
	rc = write_new(fresh, text);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = -errno;
	if (rc < 0)
		unlink(fresh);
	return rc;
}

int state_read(const char *path, char *ret, unsigned long size)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	ssize_t got = read(fd, ret, size - 1);
	if (got < 0)
		return -errno;
	ret[got] = '\0';
	return 0;
}
