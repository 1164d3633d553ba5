/* Names of keys: from a thread's key to its side keys and its shown id, and back. */
#include "inside.h"

#include "base/cleanup.h"
#include "base/name.h"

#include <errno.h>
#include <string.h>

/* Binary-safe: prefix + middle + suffix, with a NUL behind it. */
static char *joined(const char *prefix, const char *middle, size_t middle_size, const char *suffix,
	size_t *ret_size)
{
	size_t before = strlen(prefix), after = strlen(suffix);
	char *text = malloc(before + middle_size + after + 1);
	if (!text)
		return NULL;
	memcpy(text, prefix, before);
	memcpy(text + before, middle, middle_size);
	memcpy(text + before + middle_size, suffix, after + 1);
	*ret_size = before + middle_size + after;
	return text;
}

bool keys_match(struct layout_store *s, const char *key, size_t size)
{
	const char *id;
	size_t id_size, own = strlen(s->side);
	if (size >= own && memcmp(key, s->side, own) == 0)
		return false;
	return layout_id_of(s->layout, key, size, &id, &id_size) &&
	       (!s->named || layout_glob(s->match, strlen(s->match), key, size));
}

bool keys_of_id(struct layout_store *s, const char *id, char **ret, size_t *ret_size)
{
	char text[NAME_MAX_BYTES + 1], shown[NAME_MAX_BYTES + 1];
	size_t size;
	name_decode(id, text, &size);
	if (size == 0 || name_encode(text, size, shown) < 0 || strcmp(shown, id) != 0)
		return false;
	char *key = joined(s->layout->prefix, text, size, s->layout->suffix, ret_size);
	if (!key || !keys_match(s, key, *ret_size)) {
		free(key);
		return false;
	}
	*ret = key;
	return true;
}

bool keys_of_side(
	struct layout_store *s, const char *side, size_t size, const char **ret, size_t *ret_size)
{
	size_t before = strlen(s->side) + 1;
	if (size <= before || memcmp(side, s->side, before - 1) != 0 || side[before - 1] != '{')
		return false;
	const char *end = side + size;
	static const char files[] = "}:files";
	size_t after = sizeof(files) - 1;
	if (end[-1] == '}')
		after = 1;
	else if (size < before + after || memcmp(end - after, files, after) != 0)
		return false;
	if (size <= before + after)
		return false;
	*ret = side + before;
	*ret_size = size - before - after;
	return keys_match(s, *ret, *ret_size);
}

void keys_done(struct keys *keys)
{
	free(keys->side);
	free(keys->files);
	free(keys->session);
	free(keys->also);
}

int keys_init(struct layout_store *s, struct place *place, struct keys *ret)
{
	const struct layout_session *session = s->layout->session;
	CLEAN_KEYS struct keys keys = {.place = place};
	CLEAN_FREE char *braced = NULL;
	size_t size;
	braced = joined("{", place->key, place->key_size, "}", &size);
	if (!braced)
		return -ENOMEM;
	keys.side = joined(s->side, braced, size, "", &keys.side_size);
	keys.files = joined(s->side, braced, size, ":files", &keys.files_size);
	if (session)
		keys.session = joined(s->layout->prefix, place->text, place->text_size,
			session->suffix, &keys.session_size);
	if (session && session->also)
		keys.also = joined(s->layout->prefix, place->text, place->text_size, session->also,
			&keys.also_size);
	if (!keys.side || !keys.files || (session && !keys.session))
		return -ENOMEM;
	*ret = keys;
	keys = (struct keys){0};
	return 0;
}
