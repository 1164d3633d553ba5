/*
 * How chat servers write a turn: pure functions between a tool's bytes and what a turn is here.
 * What is not edited keeps its bytes: fields nobody knows, numbers as they are spelled, the order
 * of keys, escapes, white space. The forms are those of the tools' own sources, as
 * docs/chat-servers.md says.
 */
#pragma once

#include "base/blob.h"
#include "base/name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_TIME_NONE INT64_MIN

struct layout_turn {
	char role[ROLE_MAX_BYTES + 1]; /* in N2's letters; human is user, ai is assistant */
	struct blob *text; /* UTF-8; a lone surrogate or what else has no UTF-8 is U+FFFD */
	struct blob *meta; /* a JSON object of all else worth showing, or NULL */
	int64_t time_ns; /* LAYOUT_TIME_NONE: the tool keeps none */
	bool patchable; /* exactly one text block: patch() can change it */
};
void layout_turn_done(struct layout_turn *turn);

/* A tool's way of writing turns; each in a file of its own over what they share (element.h). */
struct layout_codec {
	const char *name;
	const struct form *form;
};

extern const struct layout_codec codec_zen, codec_langchain, codec_langchain_js,
	codec_openai_agents, codec_llamaindex, codec_agent_framework;

/*
 * An element as a turn. 0; -EBADMSG: not this tool's; -ENOMEM. A turn's `meta` has the members
 * worth showing, with their own bytes where jansson can read them, else as a string of these; and
 * as "blocks" what of the content is no text.
 */
int codec_decode(
	const struct layout_codec *codec, const char *data, size_t size, struct layout_turn *ret);

/*
 * A turn as the tool itself would have written it, to the byte. Members of `meta` that have a place
 * in its form go there, others are left out: the caller keeps them elsewhere. -EINVAL: a role that
 * it cannot say or that would be read back as another one, text that is not UTF-8, no time where
 * the tool has one, a member of `meta` whose place has another type.
 */
int codec_encode(
	const struct layout_codec *codec, const struct layout_turn *turn, struct blob **ret);

/* Whether encode has a place for that key of metadata. */
bool codec_keeps(const struct layout_codec *codec, const char *key);

/* The element with other text. -EPERM: it has not one text block; -EINVAL: not UTF-8; -EBADMSG. */
int codec_patch(const struct layout_codec *codec, const char *data, size_t size, const char *text,
	size_t text_size, struct blob **ret);
