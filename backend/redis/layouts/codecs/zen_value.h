/*
 * The whole value of a zen thread (LAYOUT `zen`: one JSON object in a STRING), taken apart by byte
 * ranges and put together again so that all that is not changed keeps its bytes.
 */
#pragma once

#include "codec.h"

struct zen_range {
	size_t start, size;
};

/* Where what an append changes lies in a value that was parsed. */
struct zen_places {
	struct zen_range turns, updated; /* the array; last_updated_at, quotes and all */
};

struct zen_value {
	struct zen_places places;
	size_t count; /* turns */
	struct zen_range *turns; /* in the value's bytes, each one JSON object */
	struct blob *own; /* JSON object: every member but thread_id, turns and the two times */
	struct blob *thread_id; /* text */
	int64_t created_ns, updated_ns; /* LAYOUT_TIME_NONE: not there or not a time */
};
void zen_value_done(struct zen_value *value);

/* 0; -EBADMSG: not a thread of this tool (its types are checked as strictly as it does); -ENOMEM.
 */
int zen_value_parse(const char *data, size_t size, struct zen_value *ret);

/*
 * A new thread's value, to the byte as the tool writes it, without turns. `own`: as above, or NULL;
 * a tool_name it does not have is "chat", an initial_context {}. -EINVAL: as set_own, or an id that
 * is not UTF-8.
 */
int zen_value_create(
	const char *thread_id, int64_t now_ns, const struct blob *own, struct blob **ret);

/*
 * Each makes the value anew: with elements behind the last turn, with another element in place of
 * turn `index`, without the last turn, with other own members. `updated_ns` becomes
 * last_updated_at, unless it is LAYOUT_TIME_NONE. -EBADMSG as parse; -EINVAL: no such turn, or an
 * element that the tool could not read.
 *
 * Of own members those are set that the thread has and the tool knows; others have no place and are
 * ignored. One that `own` does not name becomes null if it may be, else it stays; one that shows as
 * that value already keeps its bytes. -EINVAL: no object, or a wrong type for its place.
 */
int zen_value_append(const char *data, size_t size, struct blob *const *elements, size_t count,
	int64_t updated_ns, struct blob **ret);
/*
 * As zen_value_append(), of a value that was parsed, without going through it again: `places` are
 * its, and then the new value's, or all zero: where they are must be asked again.
 */
int zen_value_append_at(const char *data, size_t size, struct zen_places *places,
	struct blob *const *elements, size_t count, int64_t updated_ns, struct blob **ret);
int zen_value_replace(const char *data, size_t size, size_t index, const struct blob *element,
	int64_t updated_ns, struct blob **ret);
int zen_value_remove_last(const char *data, size_t size, int64_t updated_ns, struct blob **ret);
int zen_value_set_own(const char *data, size_t size, const struct blob *own, int64_t updated_ns,
	struct blob **ret);
