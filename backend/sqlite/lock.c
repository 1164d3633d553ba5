/* The lock beside the store: one mount at a time (F5). */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void holder_pid(int fd, char ret[32])
{
	ssize_t n = pread(fd, ret, 31, 0);

	ret[n > 0 ? n : 0] = '\0';
	ret[strspn(ret, "0123456789")] = '\0';
}

/* flock() has no timeout: asks again until one who is ending has ended. */
static int lock_wait(int fd, int timeout_ms)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000000L};

	for (int waited = 0;; waited += 20) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (waited >= timeout_ms)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
}

static int lock_file_open(const char *name, bool read_only)
{
	int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 && read_only && (errno == EROFS || errno == EACCES))
		fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

/* Under another name it would have another lock and another -wal: two mounts, and turns lost. */
static int one_name(const char *path, struct errtext *error)
{
	struct stat st;

	if (lstat(path, &st) < 0 || st.st_nlink <= 1)
		return 0;
	return errtext_set(error, -EPERM,
		"The store %s has %u names (hard links), and could be mounted twice: remove all "
		"but "
		"one of them",
		path, (unsigned)st.st_nlink);
}

int place_lock(const char *path, int timeout_ms, bool read_only, int *ret_fd, struct errtext *error)
{
	char name[PATH_MAX + 8], pid[32];

	snprintf(name, sizeof(name), "%s-lock", path);
	int rc = one_name(path, error);
	if (rc < 0)
		return rc;
	int fd = lock_file_open(name, read_only);

	if (fd < 0 && read_only && errno == ENOENT) {
		*ret_fd = -1; /* nobody can write here, so nobody has it open for writing */
		return 0;
	}
	if (fd < 0) {
		rc = -errno;
		return errtext_set(error, rc, "Cannot make the store's lock file %s: %s%s", name,
			strerror(-rc),
			rc == -EROFS || rc == -EACCES ? "; mount it read-only (-o ro), or name "
							"another place"
						      : "");
	}
	/* F5: at most 5 s for one that is ending. */
	rc = lock_wait(fd, timeout_ms < 0 ? 0 : timeout_ms > 5000 ? 5000 : timeout_ms);

	if (rc < 0) {
		holder_pid(fd, pid);
		close(fd);
		if (rc != -EBUSY)
			return errtext_set(error, rc, "Cannot lock %s: %s", name, strerror(-rc));
		return errtext_set(error, rc,
			"The store %s is in use by process %s; unmount it there first (turnfs "
			"umount "
			"MOUNTPOINT)",
			path, pid[0] ? pid : "(unknown)");
	}
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%d\n", (int)getpid());
	*ret_fd = fd;
	return 0;
}

void place_unlock(int fd)
{
	if (fd < 0)
		return;
	/* The file stays: unlinking it would let two hold "the" lock. */
	(void)!ftruncate(fd, 0);
	close(fd);
}
