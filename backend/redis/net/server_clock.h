/* What is known of a server's clock: how far it is ahead of clock_steady(), and how well that is
 * known. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

struct server_clock {
	bool known;
	int64_t ahead_us; /* the server's clock - clock_steady() */
	int64_t error_us; /* half the time the answer took: it may be off by so much */
	int64_t taken_us; /* when it was measured, by clock_steady() */
};

/* Measures it by a reply of TIME, asked for at before_us of clock_steady(). */
void server_clock_read(struct server_clock *clock, const redisReply *time, int64_t before_us);

/*
 * Takes over a measurement if it is better than the one that is had: more exact, or showing that a
 * clock has moved, or the old one is a minute old.
 */
void server_clock_take(struct server_clock *clock, const struct server_clock *measured);

/* clock_steady() in us. */
int64_t server_clock_local_us(void);
