/* Takes a mount away: umount2(2) as root, fusermount3 else; never through a shell. */
#include "unmount.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

static int unmount_as_root(const char *mountpoint, bool lazy, struct errtext *error)
{
	if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EBUSY)
		return -EBUSY;
	return errtext_set(error, -errno, "cannot unmount %s: %s", mountpoint, strerror(errno));
}

static void run_fusermount(const char *mountpoint, bool lazy, int stderr_fd)
{
	char *argv[] = {"fusermount3", lazy ? "-uz" : "-u", "--", (char *)mountpoint, NULL};
	dup2(stderr_fd, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "fusermount3: %s: install the package fuse3", strerror(errno));
	_exit(127);
}

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t got;
	while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static int unmount_as_user(const char *mountpoint, bool lazy, struct errtext *error)
{
	int fds[2], status = -1;
	char said[400];
	if (pipe2(fds, O_CLOEXEC) < 0)
		return errtext_set(error, -errno, "cannot make a pipe: %s", strerror(errno));
	pid_t child = fork();
	if (child == 0)
		run_fusermount(mountpoint, lazy, fds[1]);
	close(fds[1]);
	CLEAN_FD int from_child = fds[0];
	if (child < 0)
		return errtext_set(error, -errno, "cannot fork: %s", strerror(errno));
	read_all(from_child, said, sizeof(said));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	if (strstr(said, "busy"))
		return -EBUSY;
	return errtext_set(error, -EIO, "cannot unmount %s: %s", mountpoint, said);
}

int unmount(const char *mountpoint, bool lazy, struct errtext *error)
{
	return geteuid() == 0 ? unmount_as_root(mountpoint, lazy, error)
			      : unmount_as_user(mountpoint, lazy, error);
}
