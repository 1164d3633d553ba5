/* One change of one thread of the in-memory store, prepared aside and committed as a whole. */
#pragma once

#include "memory_inside.h"

/* A thread as it will be if all goes well. All of it is under the store's mutex. */
struct step {
	struct memory_store *store;
	struct memory_thread *thread;
	struct thread_info info;
	struct blob *doc;
	struct memory_listing files; /* a copy; append keeps its new files here instead */
	bool revive;
};

/*
 * The thread to be changed, with all of `change` done to the copy of its attributes, but for the
 * files. Whatever it returns, step_done() ends it, committed or not.
 */
int step_init(struct step *s, struct memory_store *m, struct thread_ref ref,
	const struct thread_change *change, unsigned flags);
void step_done(struct step *s);

/* Revisions are given out by place, so that a step that fails has used none. */
uint64_t step_revision(const struct step *s, size_t place);

/* struct change's `expect`, of a file or of NULL: 0, -EEXIST or -ESTALE. */
int step_expect_file(uint64_t expect, const struct memory_file *file);

/* What `change` makes of `old` (NULL: a new file), under `name`. NULL: out of memory. */
struct memory_file *step_file_changed(
	const struct memory_file *old, const struct change *change, const char *name);

/* Puts all but the files in place. `used`: how many places of step_revision() were used. */
int step_commit(struct step *s, size_t used, struct thread_info *ret);
int step_commit_files(struct step *s, size_t used, struct thread_info *ret); /* with the files */
