/* What the files that build an image share. */
#pragma once

#include "codecs/zen_value.h"
#include "image.h"

struct builder {
	const struct image_rules *rules;
	const struct place *place;
	struct image *image;
	struct zen_value zen; /* VALUE: taken apart */
	int64_t last_ns; /* the latest time that any file has; 0: none */
};

/* Each adds its part to b->image. 0 or -ENOMEM. */
int builder_lost(struct builder *b);
int builder_files(struct builder *b);
int builder_thread(struct builder *b);

/* A hash as a revision: never NONE or ANY. */
static inline uint64_t builder_revision(uint64_t hash)
{
	return hash == STORE_REVISION_NONE || hash == STORE_REVISION_ANY ? 2 : hash;
}
