/* The daemon behind a mount of ours, seen from another process. */
#pragma once

#include <sys/types.h>

/* Its pid, out of MOUNTPOINT/.turnfs/config. 0: it does not say, or we may not read it. */
pid_t peer_pid(const char *mountpoint);

/* 0: it answers; -ENOTCONN: it is dead; else another -errno. */
int peer_answers(const char *mountpoint);

/* The same, once it is certain: one that is just dying is waited for, up to 5 s. */
int peer_outcome(const char *mountpoint);

/*
 * A handle to wait for its end with, taken before the end is near; -1: there is none (an old
 * kernel, or the process has ended).
 */
int peer_open(pid_t pid);

/* Waits until the process has ended, with a word on a terminal if it takes long. Closes `handle`.
 */
void peer_wait(pid_t pid, int handle);

/* Names in `text` up to three processes that use something under `mountpoint`; "" if none is seen.
 */
void peer_users(const char *mountpoint, char *text, size_t size);
