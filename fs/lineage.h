/*
 * Which changes of files in a shared store were our own. A revision that is not the expected one
 * may be our doing (metadata set while a commit was under way) or somebody else's, which must not
 * be overwritten unseen (W8). Each change of ours that expected an exact revision is remembered as
 * a step from that one to the new one.
 */
#pragma once

#include "fs.h"

/* 0 or -ENOMEM. Nothing is remembered, nor needed, for a store of one's own. */
int lineage_init(struct fs *fs);
void lineage_done(struct fs *fs);

/* The store has made these changes. Takes fs->lock itself. */
void lineage_note(struct fs *fs, const struct change *changes, size_t count);

/*
 * Whether only changes of ours lead from one revision to the other; also if they are the same. May
 * say no of what is long ago. fs->lock held, lineage_settle() called after `to` was read.
 */
bool lineage_leads(struct fs *fs, uint64_t from, uint64_t to);

/*
 * What a change of that file shall expect so that it is remembered: the revision that is there, ANY
 * for a store of one's own. 0 or -errno. Takes fs->lock itself.
 */
int lineage_expect(struct fs *fs, struct thread_ref ref, const char *name, uint64_t *ret);

/* An open file takes over the revision of a change of ours, unless there was another's between, so
 * that its commit will meet that. fs->lock held. */
void lineage_adopt(struct fs *fs, struct file *file, uint64_t revision);

/* Waits for our changes of the thread that are under way. Without fs->lock. */
void lineage_settle(struct fs *fs, uint64_t gen);
