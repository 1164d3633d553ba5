/* The daemon behind a mount of ours, seen from another process. */
#include "peer.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>

pid_t peer_pid(const char *mountpoint)
{
	CLEAN_FREE char *path = NULL, *line = NULL;
	size_t capacity = 0;
	if (asprintf(&path, "%s/.turnfs/config", mountpoint) < 0)
		return 0;
	CLEAN_FILE FILE *file = fopen(path, "re");
	int pid = 0;
	while (file && !pid && getline(&line, &capacity, file) >= 0)
		if (sscanf(line, "pid = %d", &pid) != 1 || pid < 0)
			pid = 0;
	return pid;
}

/* statfs always asks the daemon, while stat may be answered by the kernel alone. */
int peer_answers(const char *mountpoint)
{
	struct statvfs info;
	return statvfs(mountpoint, &info) < 0 ? -errno : 0;
}

int peer_outcome(const char *mountpoint)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000000};
	int rc = peer_answers(mountpoint);
	/* F5: 5 s. What was asked of a daemon while it was being killed is neither answer nor end.
	 */
	for (int waited_ms = 0; rc < 0 && rc != -ENOTCONN && waited_ms < 5000; waited_ms += 20) {
		nanosleep(&pause, NULL);
		rc = peer_answers(mountpoint);
	}
	return rc;
}

int peer_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool has_ended(pid_t pid, int handle, int patience_ms)
{
	if (handle >= 0) {
		struct pollfd wait = {.fd = handle, .events = POLLIN};
		return poll(&wait, 1, patience_ms) > 0;
	}
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return true;
	nanosleep(&(struct timespec){.tv_nsec = 20 * 1000000}, NULL);
	return false;
}

void peer_wait(pid_t pid, int handle)
{
	CLEAN_FD int fd = handle;
	time_t begin = time(NULL);
	bool told = !isatty(STDERR_FILENO);
	while (!has_ended(pid, fd, 2000)) {
		if (!told && time(NULL) - begin >= 2) {
			fprintf(stderr, "turnfs: waiting for process %d to close the store\n",
				(int)pid);
			told = true;
		}
	}
}

static bool link_is_under(const char *path, const char *mountpoint)
{
	char target[4096];
	ssize_t size = readlink(path, target, sizeof(target) - 1);
	size_t length = strlen(mountpoint);
	if (size < 0)
		return false;
	target[size] = '\0';
	return !strncmp(target, mountpoint, length) && (target[length] == '/' || !target[length]);
}

static bool process_uses(const char *pid, const char *mountpoint)
{
	static const char *const links[] = {"cwd", "root", "exe"};
	char path[600];
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%s/%s", pid, links[i]);
		if (link_is_under(path, mountpoint))
			return true;
	}
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *fds = opendir(path);
	bool uses = false;
	for (struct dirent *fd; fds && !uses && (fd = readdir(fds));) {
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, fd->d_name);
		uses = link_is_under(path, mountpoint);
	}
	if (fds)
		closedir(fds);
	return uses;
}

static bool is_own(const char *pid)
{
	return strtol(pid, NULL, 10) == getpid();
}

static void process_name(const char *pid, char *name, size_t size)
{
	char path[300];
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	CLEAN_FILE FILE *file = fopen(path, "re");
	if (!file || !fgets(name, (int)size, file))
		snprintf(name, size, "?");
	name[strcspn(name, "\n")] = '\0';
}

void peer_users(const char *mountpoint, char *text, size_t size)
{
	DIR *processes = opendir("/proc");
	size_t used = 0;
	int found = 0;
	text[0] = '\0';
	for (struct dirent *entry; processes && found < 3 && (entry = readdir(processes));) {
		char name[32];
		if (!isdigit((unsigned char)entry->d_name[0]) || is_own(entry->d_name) ||
			!process_uses(entry->d_name, mountpoint))
			continue;
		process_name(entry->d_name, name, sizeof(name));
		used += (size_t)snprintf(text + used, size - used, "%s%s (pid %s)",
			found++ ? ", " : "", name, entry->d_name);
		if (used >= size)
			break;
	}
	if (processes)
		closedir(processes);
}
