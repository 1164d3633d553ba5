/*
 * The store as the mount sees it: the real one, with .turnfs/backup told before anything changes.
 * Whatever is changed, by whichever way, passes here; so no copy is ever late.
 */
#pragma once

#include "fs.h"

/* Puts itself before fs->store. Before any thread starts. 0 or -ENOMEM. */
int backup_store_init(struct fs *fs);

/* Takes itself away again; the real store stays open. */
void backup_store_done(struct fs *fs);
