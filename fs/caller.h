/* What the process behind a request is doing, where the request itself does not tell. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether the thread `tid` is now in an open() that must make the file (O_CREAT|O_EXCL). A LOOKUP
 * does not say what it is for. False too if it cannot be seen (/proc/TID/syscall, proc(5)).
 */
bool caller_creates_exclusively(pid_t tid);
