/*
 * The ledger: one line for each thread that went, with its cause and time (R4). Lines are collected
 * here and go to the store some at a time, so that 2000 threads which expire at once delay nobody.
 */
#pragma once

#include "fs.h"

/* Before any thread of ours runs; 0 or -ENOMEM. */
int ledger_init(struct fs *fs);

/* Takes NULL for what was never begun; what is not in the store by now is given up. */
void ledger_done(struct fs *fs);

/* At start, once the pool runs: what was found is entered in the background. At the end: the rest.
 */
void ledger_start(struct fs *fs);
void ledger_stop(struct fs *fs); /* also where nothing was begun */

/* At start: a thread in grace; it is entered unless the ledger has that expiry already. */
void ledger_found(struct fs *fs, const struct thread_info *info);

/* A thread has reached its deadline. Cheap; entered by the pool. */
void ledger_expired(struct fs *fs, uint64_t gen, int64_t deadline_ms);

/*
 * Before a step that the store enters in the ledger itself: sees to it that the ledger has begun.
 * Without any lock held; not from the expiry thread.
 */
void ledger_ready(struct fs *fs);

/* After it: the line that the store has entered, for this machine's copy. Counts it, too. */
void ledger_entered(struct fs *fs, enum ledger_cause cause, const char *id,
	const struct thread_info *info, const char *detail);

/*
 * A thread was found to be lost. It is in the store, or the store refuses, when this returns.
 * Without any lock held; not from the expiry thread.
 */
void ledger_lost(struct fs *fs, const struct thread_info *info);

/* Returns when all that happened before is in the store, or the store has refused it. */
void ledger_settle(struct fs *fs);

/* A copy of the lines that the store has refused (a read-only mount), to be freed. */
size_t ledger_refused(struct fs *fs, struct ledger_entry **ret);

/* Whether a thread of that name is known to have expired; may forget. For counting only. */
bool ledger_knows_expired(struct fs *fs, const char *id);

/* After a step of erasing: counts the threads that went in it. */
void ledger_purged(struct fs *fs);

/* The text of .turnfs/ledger.jsonl. 0 or -errno. */
int ledger_text(struct fs *fs, struct blob **ret);
