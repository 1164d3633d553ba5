/* Reading /proc: each descriptor's target is asked for first, for most are no inotify. */
#include "watchers.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void watch_add(struct watchers *watchers, uint64_t ino)
{
	if (watchers_has(watchers, ino))
		return;
	if (watchers->count == WATCHERS_MAX)
		watchers->too_many = true;
	else
		watchers->inos[watchers->count++] = ino;
}

/* Lines such as "inotify wd:1 ino:3 sdev:35 mask:…", numbers in hex. */
static void fdinfo_read(struct watchers *watchers, int dir, const char *name, unsigned minor_number)
{
	char line[256];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	CLEAN_FILE FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (!file) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (fgets(line, sizeof line, file)) {
		const char *ino_at = strstr(line, " ino:"), *dev_at = strstr(line, " sdev:");
		uint64_t ino;
		unsigned dev;
		if (ino_at && dev_at && sscanf(ino_at, " ino:%" SCNx64, &ino) == 1 &&
			sscanf(dev_at, " sdev:%x", &dev) == 1 && dev == minor_number)
			watch_add(watchers, ino);
	}
}

static bool is_watch(int dir, const char *name)
{
	static const char inotify[] = "anon_inode:inotify", fanotify[] = "anon_inode:[fanotify]";
	char target[64];
	ssize_t size = readlinkat(dir, name, target, sizeof target);
	return (size == sizeof inotify - 1 && !memcmp(target, inotify, sizeof inotify - 1)) ||
	       (size == sizeof fanotify - 1 && !memcmp(target, fanotify, sizeof fanotify - 1));
}

/* All of one process's; none if it is not ours to see. */
static void process_look(struct watchers *watchers, const char *pid, unsigned minor_number)
{
	char path[300];
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	DIR *fds = opendir(path);
	if (!fds)
		return;
	snprintf(path, sizeof path, "/proc/%s/fdinfo", pid);
	int infos = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;
	while (infos >= 0 && (entry = readdir(fds)))
		if (is_watch(dirfd(fds), entry->d_name))
			fdinfo_read(watchers, infos, entry->d_name, minor_number);
	if (infos >= 0)
		close(infos);
	closedir(fds);
}

void watchers_look(struct watchers *watchers, dev_t dev)
{
	watchers->count = 0;
	watchers->too_many = false;
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			process_look(watchers, entry->d_name, minor(dev));
	if (proc)
		closedir(proc);
}

bool watchers_has(const struct watchers *watchers, uint64_t ino)
{
	for (size_t i = 0; i < watchers->count; i++)
		if (watchers->inos[i] == ino)
			return true;
	return watchers->too_many;
}
