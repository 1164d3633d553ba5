/*
 * The announcer: a child process that makes and removes names through the mount, so that the kernel
 * tells inotify watchers of what came or went without it (T9). It must be a process of its own that
 * does not hold /dev/fuse: a thread of a daemon that is killed would wait for itself for ever.
 * It hears of events through a socket, looks whether anybody watches that directory, and drops what
 * it cannot announce in time; the daemon never waits for it. It ends with the daemon.
 */
#pragma once

#include "mount.h"

#include <stdatomic.h>
#include <sys/types.h>

enum announcement_kind {
	ANNOUNCEMENT_MOUNTED, /* name: the mountpoint; ino: its st_dev */
	ANNOUNCEMENT_GONE, /* a thread; dir: the root's st_ino */
	ANNOUNCEMENT_TURN, /* name: THREAD/FILE; dir: the thread's st_ino */
};

enum {
	ANNOUNCER_LATE_MS = 1000, /* what could not be announced in this time is dropped */
	ANNOUNCER_GAP_US = 2000, /* between two, at least: others' calls come first */
};

struct announcer {
	_Atomic pid_t pid; /* 0: there is none, or it has died */
	int fd;
	struct announcer_counts { /* shared with the child */
		atomic_ullong announced, dropped;
		atomic_bool watched; /* somebody watched something when it looked last */
	} * counts;
};

/* Forks. Before any thread starts and any file is open that it must not hold. 0 or -errno. */
int announcer_start(struct announcer *announcer, enum announce_mode mode);

/* Tells the child of one event. Never waits: what does not fit is dropped and counted. */
void announcer_tell(
	struct announcer *announcer, enum announcement_kind kind, uint64_t dir, const char *name);

/* Ends the child, which must not be waiting for the mount any more. */
void announcer_stop(struct announcer *announcer);
