/* The members that a tool's objects have; see place.h. */
#include "place.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* pydantic's parser stops at 200 levels, Python's at about a thousand. */
enum { PLACE_DEPTH_MAX = 100 };

static bool is_word(const char *data, struct json_range value, const char *const *words)
{
	for (; *words; words++)
		if (json_scan_is(data, value, *words))
			return true;
	return false;
}

static bool items_fit(const char *data, struct json_range array, const struct place *place)
{
	struct json_walk walk = json_scan_walk(data, array);
	while (json_scan_next(&walk)) {
		if (place->items && !(json_scan_kind(data, walk.value) & place->items))
			return false;
		if (place->inside && !places_fit(data, walk.value, place->inside))
			return false;
	}
	return true;
}

static bool value_fits(const char *data, struct json_range value, const struct place *place)
{
	enum json_kind kind = json_scan_kind(data, value);
	if (kind == JSON_KIND_NONE)
		return !place->needed;
	if (!(kind & place->kinds))
		return false;
	if (kind == JSON_KIND_STRING && place->words)
		return is_word(data, value, place->words);
	if (kind == JSON_KIND_OBJECT && place->inside)
		return places_fit(data, value, place->inside);
	return kind != JSON_KIND_ARRAY || items_fit(data, value, place);
}

size_t places_find(const char *data, struct json_range object, const struct place *places,
	struct json_range ret[PLACES_MAX])
{
	const char *names[PLACES_MAX];
	size_t count = 0;
	for (; places[count].key; count++) {
		assert(count < PLACES_MAX);
		names[count] = places[count].key;
	}
	json_scan_members(data, object, names, count, ret);
	return count;
}

bool places_take(const char *data, struct json_range object, const struct place *places,
	struct json_range ret[PLACES_MAX])
{
	if (json_scan_kind(data, object) != JSON_KIND_OBJECT)
		return false;
	size_t count = places_find(data, object, places, ret);
	for (size_t i = 0; i < count; i++)
		if (!value_fits(data, ret[i], &places[i]))
			return false;
	return true;
}

bool places_fit(const char *data, struct json_range object, const struct place *places)
{
	struct json_range values[PLACES_MAX];
	return places_take(data, object, places, values);
}

bool places_have(const struct place *places, const char *key)
{
	for (; places->key; places++)
		if (strcmp(places->key, key) == 0)
			return true;
	return false;
}

static bool shallow(const char *data, struct json_range value)
{
	struct json_range whole;
	size_t depth;
	return json_scan(data + value.start, value.size, &whole, &depth) == 0 &&
	       depth <= PLACE_DEPTH_MAX;
}

void place_write_value(
	struct json_out *out, const struct place *place, const char *data, struct json_range value)
{
	bool fits = value_fits(data, value, place) && shallow(data, value);
	if (!fits && out->rc == 0)
		out->rc = -EINVAL;
	json_write_value(out, data, value);
}

void place_write(struct json_out *out, const struct place *place, const char *role,
	const char *data, struct json_range value)
{
	bool here = !place->role || strcmp(place->role, role) == 0;
	if (value.size > 0) {
		json_write_key(out, place->key);
		place_write_value(out, place, data, value);
	} else if (here && place->absent) {
		json_write_key(out, place->key);
		json_write_word(out, place->absent);
	} else if (here && place->needed && out->rc == 0) {
		out->rc = -EINVAL;
	}
}

void places_write(struct json_out *out, const struct place *places, const char *role,
	const char *data, struct json_range object)
{
	struct json_range values[PLACES_MAX];
	size_t count = places_find(data, object, places, values);
	for (size_t i = 0; i < count; i++)
		place_write(out, &places[i], role, data, values[i]);
}
