/*
 * A thread of a chat server as it is at one moment: what the server said of it, and the files that
 * makes. Never changed once it is built; shared by all who read it.
 */
#pragma once

#include "backend.h"
#include "codecs/zen_value.h"
#include "side.h"
#include "turn_element.h"

/* Later than this a deadline has no time in ns any more (it is in 2262): as good as never. */
#define DEADLINE_MAX_MS (INT64_MAX / 1000000)

/* Where a thread is and what it is called; the same for as long as the store is open. */
struct place {
	unsigned refs; /* atomic */
	uint64_t gen;
	char *key, *id; /* the thread's key, and its id as it is shown (N4) */
	size_t key_size;
	char *text; /* the tool's own id, in `key` */
	size_t text_size;
};

struct place *place_ref(struct place *place);
void place_unref(struct place *place); /* takes NULL */

/* What the server keeps of it. */
struct raw {
	bool there; /* its key is; else only its side key says that it was made */
	struct blob *value; /* VALUE */
	struct blob *own; /* VALUE: the tool's own members, a JSON object, once it is taken apart */
	struct element **elements;
	size_t count;
	struct side_map side;
	int64_t deadline_ms; /* STORE_DEADLINE_NEVER */
	struct zen_places places; /* VALUE: in `value`; all zero: not known */
	int64_t created_ns, updated_ns; /* as the tool says; LAYOUT_TIME_NONE */
};
void raw_done(struct raw *raw);

/* The time to live that the side key says of this deadline; 0: none, or of another one. */
int64_t raw_ttl_said(const struct raw *raw);

/* Value, turns and times of one are the other's too. 0 or -ENOMEM. */
int raw_value_of(const struct raw *from, struct raw *ret);

struct image;
/*
 * Takes raw->value apart. `before` (may be NULL) lends the turns it has decoded. -EBADMSG: it is
 * not what this tool writes.
 */
int raw_parse(struct raw *raw, const struct layout *layout, const struct image *before);

struct image_file {
	struct file_info info;
	uint32_t number; /* of the turn; 0: an attachment */
	uint64_t content; /* ATTACHMENT: the field that has its content */
};

/* A turn of ours that somebody's rewriting of the whole value has dropped. */
struct lost_element {
	uint32_t number;
	char field[24]; /* that keeps its bytes, among the attachments' contents */
};

struct image {
	unsigned refs; /* atomic */
	struct raw raw;
	struct image_file *files; /* in order of name */
	size_t file_count;
	struct thread_info info; /* but for `revision` */
	uint64_t content; /* hash of what the tool keeps */
	uint64_t chain; /* image_chain() of its elements */
	uint64_t digest; /* hash of all there is, but of the deadline */
	struct lost_element *lost;
	size_t lost_count, ours_count;
	size_t memory;
};

struct image *image_ref(struct image *image);
void image_unref(struct image *image); /* takes NULL */

static inline void image_unrefp(struct image **image)
{
	image_unref(*image);
}
#define CLEAN_IMAGE __attribute__((cleanup(image_unrefp)))

struct image_rules {
	const struct layout *layout;
	uint32_t uid, gid; /* of whatever nobody has given an owner */
	int64_t left_ms; /* the longest that this thread had left, to the second; 0: not known */
	int64_t longest_ms; /* that any thread of the layout had */
};

/*
 * Makes it from `raw` (taken apart), which is taken over whatever comes of it. -ENOENT: it is not
 * there; -ENOMEM.
 */
int image_build(const struct image_rules *rules, const struct place *place, struct raw *raw,
	struct image **ret);

/* A hash of elements one after the other, from 0 on, by the hash of the next one. */
uint64_t image_chain(uint64_t chain, uint64_t element_hash);

/* NULL: there is no such file. */
const struct image_file *image_find(const struct image *image, const char *name);
const struct image_file *image_find_turn(const struct image *image, uint32_t number);
size_t image_after(const struct image *image, const char *name); /* the first place behind it */

/* The revision of turn `ino` of an element, with what the side key says of it (or NULL). */
uint64_t image_turn_revision(uint64_t ino, uint64_t element_hash, const struct blob *record);

/*
 * The inode number of a turn: below its thread's, so that a listing begins with the last one. With
 * another role it is another file, for it has another name.
 */
uint64_t image_turn_ino(const struct place *place, uint32_t number, const char *role);

/* The elements of a value or list, made of `bytes`; those of `before` that are the same are used.
 */
int image_element(const struct layout *layout, const struct image *before, size_t index,
	struct blob *bytes, struct element **ret);
