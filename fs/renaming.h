/* One rename of a file, as its parts in rename_file.c and rename_doc.c see it. */
#pragma once

#include "fs.h"

struct renaming {
	struct fs *fs;
	struct thread *from, *to;
	const char *name, *new_name;
	struct node *node, *victim; /* pinned; victim NULL: there is none */
	bool across; /* from one thread to another */
	uint32_t settle; /* a number to be settled with thread.json, or 0 */
};

/* A file gets another name, within its thread or in another one. 0 or -errno. */
int rename_file(struct renaming *r);

/* thread.json gets a whole new text, and owner, mode and time, from the file renamed over it. */
int rename_over_doc(struct renaming *r);

/* thread.json renamed away (vim's backup): a copy of it as an attachment; it hides itself. */
int rename_doc_away(struct renaming *r);
