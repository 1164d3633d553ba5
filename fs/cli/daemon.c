/* Becoming a daemon: the parent waits for one report of the child, prints it and ends with it. */
#include "daemon.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

/* What the shell left open is not kept open by a daemon. */
static void close_others(int keep)
{
	if (keep > 3)
		close_range(3, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0U, 0);
}

static int died_unheard(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return CLI_NO_MOUNT;
	return cli_fail(CLI_NO_MOUNT,
		WIFSIGNALED(status) ? "the daemon was killed by signal %d before it answered"
				    : "the daemon ended with status %d before it answered",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* The report: one byte of status, then the lines up to the end. */
static int print_report(int fd, pid_t child)
{
	unsigned char status;
	char text[4096];
	ssize_t got;
	do
		got = read(fd, &status, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		return died_unheard(child);
	FILE *out = status ? stderr : stdout;
	while ((got = read(fd, text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)got, out);
	fflush(out);
	return status;
}

int daemon_start(struct daemon *daemon, bool background, int *ret_status)
{
	int fds[2];
	*daemon = (struct daemon){.report_fd = -1, .background = background};
	if (!background)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child > 0) {
		close(fds[1]);
		*ret_status = print_report(fds[0], child);
		close(fds[0]);
		return 1;
	}
	close_others(fds[1]);
	daemon->report_fd = fds[1];
	return 0;
}

/* Only now: until it is ready, ^C at the terminal ends parent and child. */
static void leave_terminal(void)
{
	setsid();
	if (chdir("/") < 0)
		log_warning("cannot change to /: %s", strerror(errno));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

void daemon_report(struct daemon *daemon, int status, const char *lines)
{
	if (!daemon->background) {
		fputs(lines, status ? stderr : stdout);
		fflush(stdout);
		return;
	}
	if (daemon->report_fd < 0)
		return;
	if (!status)
		leave_terminal();
	dprintf(daemon->report_fd, "%c%s", status, lines); /* perhaps nobody waits any more */
	close(daemon->report_fd);
	daemon->report_fd = -1;
}
