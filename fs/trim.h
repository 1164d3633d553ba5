/*
 * How many files the kernel may know of: each is a node here until it forgets it, which by itself
 * it does only when its own memory is short. Past the limit it is asked to forget those that were
 * looked up longest ago and not opened since: in the background, files only (a process may stand in
 * a directory). What is open stays; what is looked at again is looked up again.
 */
#pragma once

#include "state.h"

enum {
	TRIM_FROM = 81920, /* so many, of some 250 bytes each, … */
	TRIM_TO = 65536, /* … become so many */
};

void trim_init(struct fs *fs);

/* Another file is known. fs->lock held. */
void trim_if_many(struct fs *fs);
