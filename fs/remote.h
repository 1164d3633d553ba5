/*
 * What others change in a shared store. Notices come where neither the store nor the kernel may be
 * called; they are queued, and a thread of its own works through them in order: it brings what is
 * known here up to date and has the kernel forget what it keeps (forget.h).
 *
 * While changes are not told nothing may be cached, from the instant that is known.
 */
#pragma once

#include "mount.h"

#include <stdbool.h>

struct fs;

/* Before the store is opened. NULL: out of memory. */
struct remote *remote_create(void);
void remote_free(struct remote *remote); /* takes NULL */

/* For store_options.on_notice, with the struct remote as `arg`. */
void remote_on_notice(void *arg, const struct store_notice *notice);

/*
 * The thread. What was told before it starts is of no interest, for nothing was read yet, but for
 * losses. Both do nothing for a store of one's own.
 */
int remote_start(struct fs *fs);
void remote_stop(struct fs *fs);

/* Whether the kernel may keep what it is told now: others' changes will be told. */
bool remote_is_told(const struct fs *fs);
