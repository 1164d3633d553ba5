/* Metadata of turns, attachments and threads as JSON objects: read, and changed key by key (M1). */
#pragma once

#include "fs.h"

#include <jansson.h>

#define META_OWN "turnfs." /* keys the mount keeps for itself */

/* The key of an attribute's name: what follows "user.". NULL: it is outside of it. */
const char *meta_key(const char *name);

/* Whether a key is the mount's own and not metadata. */
bool meta_key_own(const char *key);

/* The metadata of a file or a thread, a new reference. -EOPNOTSUPP: it can have none. */
int meta_load(struct fs *fs, struct node *node, json_t **ret);

/*
 * Sets one key (`value` not NULL, borrowed; `flags` as of setxattr) or removes it. Setting what it
 * shows already changes nothing. 0; -EEXIST, -ENODATA by the flags; else the store's. From the
 * pool.
 */
int meta_change(struct fs *fs, struct node *node, const char *key, struct blob *value, int flags);

/* Sets a thread's ttl and renews it (T4). From the pool. */
int meta_set_ttl(struct fs *fs, struct thread *thread, int64_t ttl_ms);
