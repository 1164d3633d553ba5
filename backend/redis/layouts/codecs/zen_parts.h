/* A zen thread's value that was checked, and how it is put together again with other parts. */
#pragma once

#include "zen_form.h"

struct zen_parts {
	const char *data;
	size_t size;
	struct json_range object;
	struct json_range members[PLACES_MAX]; /* as zen_thread_members has them */
};

/* 0, or -EBADMSG: not a thread of this tool. */
int zen_parts_find(const char *data, size_t size, struct zen_parts *ret);

enum { ZEN_EDITS_MAX = 8 };

/* What stands there instead of some bytes. Edits never overlap. */
struct zen_edits {
	size_t count;
	struct {
		struct json_range old; /* size 0: only a place to insert at */
		struct json_out new;
	} at[ZEN_EDITS_MAX];
};

/* Where to write what comes instead of `old`. */
struct json_out *zen_edit(struct zen_edits *edits, struct json_range old);

/* The value with all edits, in any order; they are gone then. `updated_ns`: see zen_value.h. */
int zen_edits_apply(const struct zen_parts *parts, struct zen_edits *edits, int64_t updated_ns,
	struct blob **ret);
void zen_edits_done(struct zen_edits *edits);
