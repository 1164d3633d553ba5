/* Who watches a filesystem: what /proc/PID/fdinfo tells of the inotify descriptors we may see. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WATCHERS_MAX = 1024 };

struct watchers {
	uint64_t inos[WATCHERS_MAX]; /* inode numbers that are watched */
	size_t count;
	bool too_many; /* then everything counts as watched */
};

/* Looks anew, for watches on the filesystem of that st_dev (of major 0). */
void watchers_look(struct watchers *watchers, dev_t dev);

bool watchers_has(const struct watchers *watchers, uint64_t ino);
