/* One turn as it is in Redis, with what it means: never changed, shared by all who know it. */
#pragma once

#include "layout.h"

#include "base/cleanup.h"

struct element {
	unsigned refs; /* atomic */
	struct blob *bytes;
	uint64_t hash; /* of the bytes */
	/* Of role, text and time: what makes a turn the same one though a tool writes it anew. */
	uint64_t identity;
	bool readable; /* else `turn` is all zero: not what this tool writes */
	struct layout_turn turn;
};

/* Takes a reference of `bytes`. 0 or -ENOMEM; bytes that cannot be read are no error. */
int element_new(const struct layout_codec *codec, struct blob *bytes, struct element **ret);

/* Takes over what was decoded already, and a reference of `bytes`. */
int element_of_turn(struct layout_turn *turn, struct blob *bytes, struct element **ret);

struct element *element_ref(struct element *element);
void element_unref(struct element *element); /* takes NULL */

static inline void element_unrefp(struct element **element)
{
	element_unref(*element);
}
#define CLEAN_ELEMENT __attribute__((cleanup(element_unrefp)))

uint64_t blob_hash(const struct blob *blob);
