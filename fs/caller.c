/* What the process behind a request is doing. */
#include "caller.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 100, PAUSE_US = 20 };

/* Its system call and the first arguments. False: it cannot be seen, or it is still running. */
static bool caller_syscall(pid_t tid, long *ret_number, unsigned long ret[3])
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/syscall", (int)tid);
	CLEAN_FILE FILE *file = fopen(path, "re");
	return file && fscanf(file, "%ld %lx %lx %lx", ret_number, &ret[0], &ret[1], &ret[2]) == 4;
}

bool caller_creates_exclusively(pid_t tid)
{
	long number;
	unsigned long argument[3], flags = 0;
	int tries = 0;
	/* Right after it sent the request it may not have gone to sleep yet. */
	while (!caller_syscall(tid, &number, argument)) {
		if (++tries == TRIES)
			return false;
		usleep(PAUSE_US);
	}
	if (number == SYS_openat)
		flags = argument[2];
#ifdef SYS_open
	if (number == SYS_open)
		flags = argument[1];
#endif
	return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}
