/* The machine's clocks, and one for tests that is moved by hand; see clock.h. */
#include "base/clock.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static int64_t read_clock(clockid_t id)
{
	struct timespec now = {0};
	clock_gettime(id, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

#ifdef TURNFS_TEST_HOOKS
/* What was last read: a test that truncates and writes must not show us an empty moment. */
static int64_t shift_s; /* atomic; both clocks */
static int64_t shift_wall_s; /* atomic; the wall clock only */

static void read_shift_file(void)
{
	const char *path = getenv("TURNFS_TEST_CLOCK_FILE");
	CLEAN_FD int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char text[64];
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (size <= 0)
		return;
	text[size] = '\0';
	char *end, *rest;
	long long both = strtoll(text, &end, 10);
	if (end == text)
		return;
	long long wall = strtoll(end, &rest, 10);
	__atomic_store_n(&shift_s, both, __ATOMIC_RELAXED);
	__atomic_store_n(&shift_wall_s, wall, __ATOMIC_RELAXED);
}

static int64_t shift_ns(bool wall)
{
	read_shift_file();
	int64_t seconds = __atomic_load_n(&shift_s, __ATOMIC_RELAXED);
	if (wall)
		seconds += __atomic_load_n(&shift_wall_s, __ATOMIC_RELAXED);
	return seconds * NS_PER_S;
}
#else
static int64_t shift_ns(bool wall)
{
	return 0;
}
#endif

static pthread_once_t steady_once = PTHREAD_ONCE_INIT;
static int64_t steady_base_ns; /* set once, by steady_start() */

static void steady_start(void)
{
	steady_base_ns = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
}

static int64_t steady_now_ns(struct clock *clock)
{
	pthread_once(&steady_once, steady_start);
	return steady_base_ns + read_clock(CLOCK_BOOTTIME) + shift_ns(false);
}

struct clock *clock_steady(void)
{
	static struct clock steady = {.now_ns = steady_now_ns};
	pthread_once(&steady_once, steady_start);
	return &steady;
}

int64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME) + shift_ns(true);
}

int64_t clock_step_ms(void)
{
	int64_t step_ns = clock_wall_ns() - steady_now_ns(NULL);
	return step_ns > -NS_PER_S && step_ns < NS_PER_S ? 0 : step_ns / 1000000;
}

static int64_t manual_now_ns(struct clock *clock)
{
	struct clock_manual *manual = (struct clock_manual *)clock;
	return __atomic_load_n(&manual->ns, __ATOMIC_RELAXED);
}

void clock_manual_init(struct clock_manual *clock, int64_t ns)
{
	*clock = (struct clock_manual){.clock.now_ns = manual_now_ns, .ns = ns};
}

void clock_manual_advance(struct clock_manual *clock, int64_t ns)
{
	__atomic_add_fetch(&clock->ns, ns, __ATOMIC_RELAXED);
}
