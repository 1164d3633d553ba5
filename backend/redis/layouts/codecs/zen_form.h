/* What zen's pydantic models say: the members of a thread and of a turn, and how times look. */
#pragma once

#include "place.h"

/* Role, content and timestamp, then those that are metadata. */
extern const struct place zen_turn_members[];
#define zen_turn_metadata (zen_turn_members + 3)

/* In the order in which they are written. */
enum zen_member {
	ZEN_THREAD_ID,
	ZEN_PARENT,
	ZEN_CREATED_AT,
	ZEN_UPDATED_AT,
	ZEN_TOOL,
	ZEN_TURNS,
	ZEN_CONTEXT,
	ZEN_FINGERPRINT,
	ZEN_CLIENT,
};
extern const struct place zen_thread_members[];

/* Whether a member is the thread's own, to be shown and set: not id, turns and times. */
bool zen_member_own(size_t member);

/*
 * Writes a time as datetime.isoformat() of UTC has it: to the microsecond, and "+00:00". As a
 * string, quotes and all. LAYOUT_TIME_NONE is -EINVAL: each turn has a time.
 */
void zen_write_time(struct json_out *out, int64_t ns);
