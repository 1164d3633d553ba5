/* .turnfs: what the mount says about itself. */
#pragma once

#include "view.h"

#define CONTROL_DIR ".turnfs"

int control_init(struct fs *fs);
void control_done(struct fs *fs);

/* Whether a name in the root is ours. */
bool control_named(const char *name);

/* .turnfs in the root, or a file in .turnfs; pinned. NULL: not ours. Takes fs->lock itself. */
struct node *control_find(struct fs *fs, const struct node *dir, const char *name);

/* What .turnfs lists. 0 or -ENOMEM. */
int control_list(struct fs *fs, struct view_list *ret);

/* Prints a new blob. 0 or -ENOMEM. */
int control_printed(struct blob **ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What a computed file reads as now. 0 or -errno. */
int control_text(struct fs *fs, const struct node *node, struct blob **ret);
int control_size(struct fs *fs, const struct node *node, uint64_t *ret);
