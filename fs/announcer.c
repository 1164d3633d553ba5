/* The announcer's process, and the socket to it. */
#include "announcer.h"

#include "watchers.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUE = 1024,
	LOOK_AGAIN_MS = 1000, /* how long it is believed that a directory is watched */
	LOOK_SHARE = 20, /* looking takes at most this part of the time, */
	LOOK_CREDIT_US = 100000, /* but for so much that may have been saved up */
};

struct announcement {
	enum announcement_kind kind;
	uint64_t dir;
	int64_t time_us;
	char name[PATH_MAX];
};
#define ANNOUNCEMENT_HEAD offsetof(struct announcement, name)

struct child {
	struct announcer_counts *counts;
	enum announce_mode mode;
	int fd;
	char mountpoint[PATH_MAX];
	dev_t dev;
	struct announcement *queue[QUEUE];
	size_t first, count;
	struct watchers watchers;
	int64_t looked_us, credit_us; /* when it looked last; how long it may look at once */
};

static int64_t now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void drop(struct announcer_counts *counts)
{
	atomic_fetch_add_explicit(&counts->dropped, 1, memory_order_relaxed);
}

/* The mount's root, if the mount is still there; else -1. Asks the daemon nothing. */
static int open_root(const struct child *c)
{
	struct statx st;
	int fd = open(c->mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
		makedev(st.stx_dev_major, st.stx_dev_minor) == c->dev)
		return fd;
	close(fd);
	return -1;
}

/* The system call that the kernel tells watchers of; the daemon answers without doing anything. */
static void announce(struct child *c, const struct announcement *a)
{
	int root = open_root(c);
	if (root < 0)
		return;
	int rc = a->kind == ANNOUNCEMENT_GONE ? unlinkat(root, a->name, AT_REMOVEDIR)
					      : mknodat(root, a->name, S_IFREG | 0600, 0);
	close(root);
	if (rc < 0)
		drop(c->counts);
	else
		atomic_fetch_add_explicit(&c->counts->announced, 1, memory_order_relaxed);
}

static void look(struct child *c)
{
	int64_t begun = now_us();
	c->credit_us += (begun - c->looked_us) / LOOK_SHARE;
	if (c->credit_us > LOOK_CREDIT_US)
		c->credit_us = LOOK_CREDIT_US;
	watchers_look(&c->watchers, c->dev);
	c->looked_us = now_us();
	c->credit_us -= c->looked_us - begun;
	atomic_store(&c->counts->watched, c->watchers.count || c->watchers.too_many);
}

/*
 * Whether the directory of an event is watched: 1 or 0; or -1, it is too soon to look again. What
 * happened before the last look and was not watched then needs no other.
 */
static int is_watched(struct child *c, const struct announcement *a, int64_t *ret_wait_ms)
{
	int64_t age = now_us() - c->looked_us;
	if (c->mode == ANNOUNCE_ON)
		return 1;
	if (age < LOOK_AGAIN_MS * 1000 && watchers_has(&c->watchers, a->dir))
		return 1;
	if (c->looked_us > a->time_us)
		return 0;
	int64_t credit = c->credit_us + age / LOOK_SHARE;
	if (credit < 0) {
		*ret_wait_ms = -credit * LOOK_SHARE / 1000 + 1;
		return -1;
	}
	look(c);
	return watchers_has(&c->watchers, a->dir);
}

static void queue_put(struct child *c, const struct announcement *a, size_t size)
{
	struct announcement *copy = c->count < QUEUE ? malloc(size) : NULL;
	if (!copy) {
		drop(c->counts);
		return;
	}
	memcpy(copy, a, size);
	c->queue[(c->first + c->count++) % QUEUE] = copy;
}

/* Reads what there is, waiting for at most so long. The daemon's end is ours. */
static void receive(struct child *c, int64_t wait_ms)
{
	static struct announcement a;
	struct pollfd poller = {.fd = c->fd, .events = POLLIN};
	if (poll(&poller, 1, (int)wait_ms) <= 0)
		return;
	for (;;) {
		ssize_t got = recv(c->fd, &a, sizeof a - 1, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got < (ssize_t)ANNOUNCEMENT_HEAD)
			_exit(0);
		((char *)&a)[got] = '\0';
		if (a.kind == ANNOUNCEMENT_MOUNTED) {
			snprintf(c->mountpoint, sizeof c->mountpoint, "%s", a.name);
			c->dev = (dev_t)a.dir;
		} else {
			queue_put(c, &a, (size_t)got + 1);
		}
	}
}

/* The oldest event: announced, dropped, or left for later. Returns how long to wait, ms. */
static int64_t serve_first(struct child *c)
{
	int64_t wait_ms = 0;
	struct announcement *a = c->queue[c->first];
	bool late = now_us() - a->time_us > ANNOUNCER_LATE_MS * 1000;
	int watched = late ? 0 : is_watched(c, a, &wait_ms);
	if (watched < 0)
		return wait_ms;
	c->first = (c->first + 1) % QUEUE;
	c->count--;
	if (late)
		drop(c->counts);
	if (watched) {
		announce(c, a);
		usleep(ANNOUNCER_GAP_US);
	}
	free(a);
	return 0;
}

static void child_run(struct child *c)
{
	int64_t wait_ms = -1;
	for (;;) {
		receive(c, wait_ms);
		wait_ms = c->count ? serve_first(c) : -1;
	}
}

/* Nothing of the daemon's is kept but the socket; it ends with the daemon, however that ends. */
static void child_main(struct announcer *announcer, enum announce_mode mode, int fd, pid_t parent)
{
	static struct child c;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	prctl(PR_SET_NAME, "turnfs-announce");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	if (chdir("/") < 0 || dup2(fd, 3) < 0)
		_exit(1);
	int null = open("/dev/null", O_RDWR);
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	close_range(4, ~0U, 0);
	setpriority(PRIO_PROCESS, 0, 5);
	c.counts = announcer->counts;
	c.mode = mode;
	c.fd = 3;
	c.credit_us = LOOK_CREDIT_US;
	child_run(&c);
}

int announcer_start(struct announcer *announcer, enum announce_mode mode)
{
	int fds[2];
	*announcer = (struct announcer){.fd = -1};
	if (mode == ANNOUNCE_OFF)
		return 0;
	void *counts = mmap(NULL, sizeof *announcer->counts, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return -errno;
	announcer->counts = counts;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	fflush(NULL);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		close(fds[0]);
		child_main(announcer, mode, fds[1], parent);
	}
	int rc = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (rc < 0) {
		close(fds[0]);
		return rc;
	}
	announcer->fd = fds[0];
	atomic_store(&announcer->pid, pid);
	return 0;
}

/* Before its number can be another process's. */
static void child_died(struct announcer *announcer)
{
	pid_t pid = atomic_exchange(&announcer->pid, 0);
	if (!pid)
		return;
	log_warning("the process that tells watchers of changes has died; they hear no more of "
		    "what expires or is added otherwise, until the next mount");
	waitpid(pid, NULL, 0);
}

void announcer_tell(
	struct announcer *announcer, enum announcement_kind kind, uint64_t dir, const char *name)
{
	struct announcement a = {.kind = kind, .dir = dir};
	if (!atomic_load(&announcer->pid))
		return;
	a.time_us = now_us();
	int size = snprintf(a.name, sizeof a.name, "%s", name);
	if (send(announcer->fd, &a, ANNOUNCEMENT_HEAD + (size_t)size,
		    MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return;
	drop(announcer->counts);
	if (errno == EPIPE || errno == ECONNRESET)
		child_died(announcer);
}

void announcer_stop(struct announcer *announcer)
{
	if (announcer->fd >= 0)
		close(announcer->fd);
	pid_t pid = atomic_exchange(&announcer->pid, 0);
	if (pid) {
		kill(pid, SIGKILL); /* all it could still do is look at a mount that is gone */
		waitpid(pid, NULL, 0);
	}
	if (announcer->counts)
		munmap(announcer->counts, sizeof *announcer->counts);
	*announcer = (struct announcer){.fd = -1};
}
