/*
 * What the codecs share: a codec says where things lie in its tool's elements, and the rest of
 * decode and patch, and half of encode, is here.
 */
#pragma once

#include "codec.h"
#include "place.h"

/* Where things lie in one element. */
struct element {
	const char *role_said; /* the role where the form has none of its own; else NULL */
	struct json_range role; /* a string */
	struct json_range text; /* a string, an array of blocks, or null */
	struct json_range time; /* a string in ISO 8601, or not there */
	struct json_range members; /* the object whose members are metadata, less the hidden ones */
	const char *const *hidden; /* as in the form, where it depends on the element */
	enum json_style style; /* the same */
	bool fixed; /* the text is not to be patched */
};

struct form {
	enum json_style style; /* in which patch() and encode() write */
	/* Finds its way in an object: 0, or -EBADMSG for one that is not this tool's. */
	int (*locate)(const char *data, struct json_range object, struct element *ret);
	const char *block_type; /* the member that says what a block is, and which are text */
	const char *const *text_types;
	const char *const
		*hidden; /* members that are not metadata; ends with NULL, as text_types */
	const struct place *places; /* of metadata; one that says what is absent is not shown */
	const char *const *roles; /* that encode() can say, ending with NULL; NULL: all */
	/* Writes a turn's members, and those of its metadata (size 0: none) into their places. */
	void (*write)(struct json_out *out, const struct layout_turn *turn, struct json_range meta);
};

/* A tool's role in N2's letters: lower case, others dropped; "turn" if nothing is left. */
void element_role(const char *text, size_t size, char ret[ROLE_MAX_BYTES + 1]);

/* A string in ISO 8601, or LAYOUT_TIME_NONE. */
int64_t element_time(const char *data, struct json_range value);

/*
 * Writes a member of metadata as jansson can read it: its own bytes if it can, else, for numbers
 * beyond its range and the like, a string of them. A key with NUL is left out.
 */
void element_show(
	struct json_out *out, const char *data, struct json_range key, struct json_range value);
