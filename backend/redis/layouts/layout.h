/*
 * The table of chat servers' layouts: where each keeps its threads, in which form, and how it sets
 * their time to live. docs/layouts.md shows how to add one.
 */
#pragma once

#include "codecs/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum layout_kind {
	LAYOUT_VALUE, /* a STRING: the whole thread, as zen_value.h takes it apart */
	LAYOUT_LIST, /* a LIST: an element a turn */
};

/* What of a thread's id and time a hash beside the list keeps (OpenAI's Agents SDK). */
struct layout_session {
	const char *suffix; /* its key is prefix + id + suffix */
	const char *id, *created, *updated; /* its fields; the times are whole seconds */
	const char *also; /* suffix of one more key that lives as long, or NULL */
};

struct layout {
	const char *name;
	enum layout_kind kind;
	const struct layout_codec *codec;
	const char *prefix, *suffix; /* a thread's key is prefix + id + suffix */
	bool newest_first; /* LIST: LPUSH */
	bool keeps_ttl; /* each write sets the time to live anew; else the tool sets none */
	bool trims; /* LIST: it keeps the newest max_turns */
	const struct layout_session *session; /* or NULL */
};

/* NULL: no layout of that name. */
const struct layout *layout_find(const char *name);

/* All names, "zen, langchain, …", for a sentence; returns `text`. */
const char *layout_names(char *text, size_t size);

/* Whether its keys say nothing of whose they are, so that match= must. */
bool layout_is_bare(const struct layout *layout);

/*
 * The id in a thread's key, borrowed from it; false: it is no thread's key. An id is never empty.
 */
bool layout_id_of(const struct layout *layout, const char *key, size_t size, const char **ret_id,
	size_t *ret_size);

/*
 * Whether the tool itself makes such an id: zen's are UUIDs; and none whose session's key would be
 * another thread's list.
 */
bool layout_id_usual(const struct layout *layout, const char *id, size_t size);

/* Whether `text` is matched by a pattern of SCAN's MATCH: * ? [a-z] [^a] and \ before any of them.
 */
bool layout_glob(const char *pattern, size_t pattern_size, const char *text, size_t size);
