/* Time: a clock that can be replaced in tests, and one that does not jump when the machine's does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
	int64_t (*now_ns)(struct clock *clock); /* Unix time, ns */
};

/*
 * The machine's clock as it was when the process first asked, counted on by CLOCK_BOOTTIME: a step
 * of the wall clock does not move it. Deadlines are kept by it. TURNFS_TEST_CLOCK_FILE in the
 * environment names a file with a number of seconds to add to this clock and to the wall clock, and
 * after it perhaps a second one to add to the wall clock alone (only with -Dtest_hooks=true).
 */
struct clock *clock_steady(void);

/* Unix time by the wall clock, ns: what files' times are made of. */
int64_t clock_wall_ns(void);

/* How far the wall clock has stepped away from the steady one, ms (0 within a second). */
int64_t clock_step_ms(void);

static inline int64_t clock_now_ms(struct clock *clock)
{
	return clock->now_ns(clock) / 1000000;
}

/* A clock that stands until it is moved. */
struct clock_manual {
	struct clock clock;
	int64_t ns; /* atomic */
};
void clock_manual_init(struct clock_manual *clock, int64_t ns);
void clock_manual_advance(struct clock_manual *clock, int64_t ns); /* from any thread */
