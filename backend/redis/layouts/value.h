/*
 * Whole values without moving them whole: a server's Lua is slow with large strings, so that a
 * value is told by its size and its ends, and appended to in place. The ends have what every writer
 * changes: zen's last_updated_at at the start, the last turn at the end.
 */
#pragma once

#include "server_step.h"

enum { VALUE_HEAD = 512, VALUE_TAIL = 512 };

/* What the server says of a value. */
struct value_ends {
	uint64_t size;
	const redisReply *head, *tail;
};
/* False: it is no such reply. */
bool value_ends_read(const redisReply *reply, struct value_ends *ret);

/* Whether it may be that value: not proof, but enough for what we wrote a moment ago ourselves. */
bool value_ends_match(const struct value_ends *ends, const struct blob *value);

/*
 * Makes `was` into `now` by writing into it, if what differs are some bytes near its start and what
 * comes behind some place. False: it does not, or there is little to be won by it.
 */
bool value_write_into(const struct blob *was, const struct blob *now, const struct keys *keys,
	struct server_step *step);
