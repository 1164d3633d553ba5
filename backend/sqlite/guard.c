/* Syncs of a -wal: none succeeds after one has failed. See guard.h. */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Never freed: a process opens one store, or a few. */
struct guard {
	pthread_mutex_t lock; /* held during a sync: its outcome is known before the next begins */
	bool broken; /* under `lock` */
	struct guard *next; /* constant */
	char path[]; /* constant */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guard *list; /* under list_lock */

static struct guard *guard_new(const char *path)
{
	size_t size = strlen(path) + 1;
	struct guard *guard = malloc(sizeof(*guard) + size);

	if (!guard)
		return NULL;
	pthread_mutex_init(&guard->lock, NULL);
	guard->broken = false;
	guard->next = list;
	memcpy(guard->path, path, size);
	return list = guard;
}

struct guard *guard_find(const char *wal_path)
{
	pthread_mutex_lock(&list_lock);
	struct guard *guard = list;

	while (guard && strcmp(guard->path, wal_path) != 0)
		guard = guard->next;
	if (!guard)
		guard = guard_new(wal_path);
	pthread_mutex_unlock(&list_lock);
	return guard;
}

int guard_sync(struct guard *guard, int (*sync)(void *arg), void *arg)
{
	int rc = GUARD_BROKEN;

	pthread_mutex_lock(&guard->lock);
	if (!guard->broken) {
		rc = sync(arg);
		guard->broken = rc != 0;
	}
	pthread_mutex_unlock(&guard->lock);
	return rc;
}

static int sync_fd(void *arg)
{
	return fdatasync(*(int *)arg) < 0 ? -errno : 0;
}

int guard_fdatasync(struct guard *guard, int fd)
{
	int rc = guard_sync(guard, sync_fd, &fd);

	return rc == GUARD_BROKEN ? -EIO : rc;
}

bool guard_is_broken(struct guard *guard)
{
	pthread_mutex_lock(&guard->lock);
	bool broken = guard->broken;

	pthread_mutex_unlock(&guard->lock);
	return broken;
}

static void guard_set(struct guard *guard, bool broken)
{
	pthread_mutex_lock(&guard->lock);
	guard->broken = broken;
	pthread_mutex_unlock(&guard->lock);
}

void guard_break(struct guard *guard)
{
	guard_set(guard, true);
}

void guard_mend(struct guard *guard)
{
	guard_set(guard, false);
}
