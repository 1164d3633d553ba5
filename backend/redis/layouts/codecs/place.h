/*
 * The members that a tool's objects have: of which type, where encode() puts metadata, and what
 * the tool itself writes where there is none.
 */
#pragma once

#include "json_write.h"

struct place {
	const char *key;
	unsigned kinds; /* of json_kind */
	unsigned items; /* kinds of an array's elements; 0: any */
	const struct place *inside; /* members of the object, or of each object in the array */
	const char *const *words; /* the strings it may be, ending with NULL; NULL: any */
	bool needed;
	const char *absent; /* what stands there when there is none; NULL: the member is left out */
	const char
		*role; /* for places_write(): needed or absent of this role only; NULL: of each */
};

enum { PLACES_MAX = 16 };

/* All of these take a list of places that ends with one without key. */

/* Whether the value is an object whose members are of the types said; others are not looked at. */
bool places_fit(const char *data, struct json_range object, const struct place *places);

/* The same, and where these members lie, as places_find() has it. */
bool places_take(const char *data, struct json_range object, const struct place *places,
	struct json_range ret[PLACES_MAX]);

/* Whether there is a place for that key. */
bool places_have(const struct place *places, const char *key);

/* ret[i]: the value for places[i], size 0 if it is not there. Returns how many places there are. */
size_t places_find(const char *data, struct json_range object, const struct place *places,
	struct json_range ret[PLACES_MAX]);

/*
 * Writes the members that have a place, out of `object` (size 0: none), and what is absent for
 * `role`. A value that does not fit its place, or is nested deeper than the tools' own parsers go,
 * makes it -EINVAL.
 */
void places_write(struct json_out *out, const struct place *places, const char *role,
	const char *data, struct json_range object);

/* The same for one place and the value for it (size 0: none); and its value alone, without key. */
void place_write(struct json_out *out, const struct place *place, const char *role,
	const char *data, struct json_range value);
void place_write_value(
	struct json_out *out, const struct place *place, const char *data, struct json_range value);
