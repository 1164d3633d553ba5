/* A server's clock; see server_clock.h. */
#include "server_clock.h"

#include "base/clock.h"

#include <stdlib.h>

enum { OLD_US = 60 * 1000000 };

int64_t server_clock_local_us(void)
{
	struct clock *steady = clock_steady();
	return steady->now_ns(steady) / 1000;
}

void server_clock_read(struct server_clock *clock, const redisReply *time, int64_t before_us)
{
	int64_t after_us = server_clock_local_us();

	if (time->type != REDIS_REPLY_ARRAY || time->elements != 2 ||
		time->element[0]->type != REDIS_REPLY_STRING ||
		time->element[1]->type != REDIS_REPLY_STRING)
		return;
	long long s = strtoll(time->element[0]->str, NULL, 10);
	long long us = strtoll(time->element[1]->str, NULL, 10);
	if (s <= 0 || s > INT32_MAX * 4LL || us < 0 || us >= 1000000)
		return;
	*clock = (struct server_clock){
		.known = true,
		.ahead_us = s * 1000000 + us - (before_us + after_us) / 2,
		.error_us = (after_us - before_us) / 2 + 1,
		.taken_us = after_us,
	};
}

void server_clock_take(struct server_clock *clock, const struct server_clock *measured)
{
	if (!measured->known)
		return;
	int64_t off = llabs(measured->ahead_us - clock->ahead_us);
	bool moved = off > measured->error_us + clock->error_us;
	bool old = measured->taken_us - clock->taken_us > OLD_US;
	if (!clock->known || moved || old || measured->error_us <= clock->error_us)
		*clock = *measured;
}
