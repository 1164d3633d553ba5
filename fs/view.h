/*
 * Views: directories of .turnfs whose entries are computed (expiring, expired, why, backup).
 * A view is one entry in view.c's table and a file of its own with these operations.
 */
#pragma once

#include "fs.h"

/* Names being collected for a listing; grows as needed. */
struct view_list {
	struct view_entry {
		char *name;
		uint64_t ino;
		bool is_dir;
	} * items;
	size_t count, capacity;
};

/* Adds one name. 0 or -ENOMEM. */
int view_list_add(struct view_list *list, const char *name, uint64_t ino, bool is_dir);
void view_list_done(struct view_list *list);

struct view {
	const char *name;
	enum thread_view threads; /* what the threads in it are, all read-only; LIVE: it has none */
	/* What `name` is in it (`dir`: the view itself, or a folder made by view_dir() in it): 0
	 * and a pinned node, or -errno (ENOENT). Asks the store. */
	int (*find)(struct fs *fs, const struct node *dir, const char *name, struct node **ret);
	/* Everything it lists. A view that answers to names without listing them adds nothing. */
	int (*list)(struct fs *fs, const struct node *dir, struct view_list *ret);
	/* What a file made by view_file() reads as now; NULL for views of directories. */
	int (*text)(struct fs *fs, const struct node *node, struct blob **ret);
};

/* The n-th view, NULL past the last. */
const struct view *view_at(size_t n);

/* For find(): a pinned node for a computed file of that name. 0 or -ENOMEM. */
int view_file(struct fs *fs, const struct view *view, const char *name, struct node **ret);

/* The same for a folder, of which find() and list() of the same view are asked then. */
int view_dir(struct fs *fs, const struct view *view, const char *name, struct node **ret);

/* Each defined in its own file. */
extern const struct view view_backup;
extern const struct view view_expired;
extern const struct view view_expiring;
extern const struct view view_lost;
extern const struct view view_why;
