/* .turnfs/health: how the mount is, in sentences; and how many threads there are. */
#pragma once

#include "fs.h"

struct health_threads {
	long long live, expiring, expired; /* expiring: live ones near their deadline */
};

/* Without a look at every thread: it answers in a ms whatever their number. */
void health_threads(struct fs *fs, struct health_threads *ret);

/* At start: a thread that the store has. */
void health_found(struct fs *fs, const struct thread_info *info, bool live);

/* All that the store has was found. If threads came or went meanwhile they are counted again. */
void health_loaded(struct fs *fs);

/* Threads may have come and gone elsewhere: they are counted again soon. */
void health_count_again(struct fs *fs);

/* Counts them, if it is time. From the thread of remote.c. True: there is something to count. */
bool health_recount(struct fs *fs);

/* The text of .turnfs/health. 0 or -errno. */
int health_text(struct fs *fs, struct blob **ret);
