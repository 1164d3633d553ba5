/* One change of a thread with its files: what apply, move, append and rename have in common. */
#pragma once

#include "inside.h"
#include "row.h"

struct step {
	struct txn *txn;
	struct thread_info info; /* as it will be */
	struct thread_info was; /* if it comes back to life: how it lay there */
	bool revived;
};

/*
 * The thread to be changed, with `change` (may be NULL) done to its attributes and its document.
 * Takes `count` revisions for files as well, from *ret_revision on. -ENOENT: see store_apply().
 */
int step_open(struct step *step, struct txn *txn, struct thread_ref ref,
	const struct thread_change *change, unsigned flags, size_t count, uint64_t *ret_revision);

/* Writes the thread's row. */
int step_save(struct step *step);

/* Counts a file of that name and size in (sign +1) or out (-1). */
void step_count(struct step *step, const char *name, uint64_t size, int sign);

/* Adds a file with the attributes of `change` under `name`. */
int step_add_file(
	struct step *step, const char *name, const struct change *change, uint64_t revision);

/* change.c: makes the change; `revision` is the file's new one. */
int change_do(struct step *step, const struct change *change, uint64_t revision);

/* A RENAME of a file of `from` into `to`; the two may be the same step. */
int change_rename(
	struct step *from, struct step *to, const struct change *change, uint64_t revision);

/* N2, asked when all changes are made: -EEXIST if another turn has the number of that name. */
int change_check_number(struct step *step, const char *name);
