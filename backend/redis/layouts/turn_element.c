/* Turns as they are in Redis; see turn_element.h. */
#include "turn_element.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

uint64_t blob_hash(const struct blob *blob)
{
	return XXH3_64bits(blob_data(blob), blob_size(blob));
}

static uint64_t identity_of(const struct layout_turn *turn)
{
	uint64_t hash =
		XXH3_64bits_withSeed(turn->role, strlen(turn->role), (uint64_t)turn->time_ns);
	return XXH3_64bits_withSeed(blob_data(turn->text), blob_size(turn->text), hash);
}

int element_of_turn(struct layout_turn *turn, struct blob *bytes, struct element **ret)
{
	struct element *element = calloc(1, sizeof(*element));
	if (!element)
		return -ENOMEM;
	element->refs = 1;
	element->bytes = blob_ref(bytes);
	element->hash = blob_hash(bytes);
	element->identity = identity_of(turn);
	element->readable = true;
	element->turn = *turn;
	*turn = (struct layout_turn){0};
	*ret = element;
	return 0;
}

int element_new(const struct layout_codec *codec, struct blob *bytes, struct element **ret)
{
	struct layout_turn turn = {0};
	int r = codec_decode(codec, blob_data(bytes), blob_size(bytes), &turn);
	if (r == -ENOMEM)
		return r;
	bool readable = r == 0;
	r = element_of_turn(&turn, bytes, ret);
	if (r < 0)
		layout_turn_done(&turn);
	else
		(*ret)->readable = readable;
	return r;
}

struct element *element_ref(struct element *element)
{
	__atomic_add_fetch(&element->refs, 1, __ATOMIC_RELAXED);
	return element;
}

void element_unref(struct element *element)
{
	if (!element || __atomic_sub_fetch(&element->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	blob_unref(element->bytes);
	layout_turn_done(&element->turn);
	free(element);
}
