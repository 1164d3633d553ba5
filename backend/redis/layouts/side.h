/*
 * What turnfs keeps of a thread beside the tool's own value: a hash with these fields, which lives
 * as long as the thread (PREFIXside:{KEY}):
 *   rev            changes with every step of turnfs that changes one of the others
 *   ttl            "TTL_MS DEADLINE_MS": its time to live, as long as that is its deadline, which
 *                  then is no tool's
 *   thread, doc    attributes of the thread and of its thread.json: struct record as JSON
 *   doc:text       the part of its document that the tool has no place for
 *   turn:N         attributes of turn N, as long as its bytes are those that `of` says
 *   file:NAME      an attachment's attributes; its content is field INO of PREFIXside:{KEY}:files
 *   ours:IDENTITY  a turn that turnfs wrote into a whole value: its number; its bytes are in the
 *                  field of that name of PREFIXside:{KEY}:files
 *   claim:NAME     "TOKEN UNTIL_MS": a name that is about to be made
 *   made           a list without elements, which Redis itself cannot keep
 * All of it may have been written by anybody: what cannot be read is as if it were not there.
 */
#pragma once

#include "backend.h"

struct side_field {
	struct blob *name, *value;
};

/* The hash's fields in order of name. All zero: none. */
struct side_map {
	struct side_field *items;
	size_t count, capacity;
};

void side_map_done(struct side_map *map);
int side_map_copy(const struct side_map *from, struct side_map *ret);

struct blob *side_get(const struct side_map *map, const char *name); /* borrowed, or NULL */
/* Takes references. 0 or -ENOMEM. */
int side_put(struct side_map *map, struct blob *name, struct blob *value);
int side_put_text(struct side_map *map, const char *name, const char *value);
int side_put_blob(struct side_map *map, const char *name, struct blob *value);
void side_remove(struct side_map *map, const char *name);

/* What of `name` stands behind `prefix`, or NULL: it does not begin so, or has a NUL byte. */
const char *side_name_after(const struct side_field *field, const char *prefix);

/* Attributes; `set` says which are there (SET_MODE, SET_OWNER, SET_MTIME, SET_META, SET_CREATED).
 */
struct record {
	unsigned set;
	uint32_t mode, uid, gid;
	int64_t mtime_ns, ctime_ns, created_ns; /* ctime_ns 0: as mtime */
	uint64_t of; /* turns, times of the thread: hash of what they are said of */
	uint64_t ino, revision, size; /* files; doc.revision */
	uint32_t flags; /* the document's */
	struct blob *meta;
};
void record_done(struct record *record);

/* False: there is no such field, or it cannot be read; *ret is all zero then. */
bool record_read(const struct blob *text, struct record *ret);
struct blob *record_text(const struct record *record); /* NULL: out of memory */
