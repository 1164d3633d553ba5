/* The table of views, and what they share. */
#include "view.h"

#include <stdlib.h>
#include <string.h>

static const struct view *const views[] = {
	&view_expiring,
	&view_expired,
	&view_lost,
	&view_why,
	&view_backup,
};
enum { VIEWS = sizeof views / sizeof *views };

const struct view *view_at(size_t n)
{
	return n < VIEWS ? views[n] : NULL;
}

int view_list_add(struct view_list *list, const char *name, uint64_t ino, bool is_dir)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct view_entry *items = realloc(list->items, capacity * sizeof *items);
		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	struct view_entry entry = {.name = strdup(name), .ino = ino, .is_dir = is_dir};
	if (!entry.name)
		return -ENOMEM;
	list->items[list->count++] = entry;
	return 0;
}

void view_list_done(struct view_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].name);
	free(list->items);
	*list = (struct view_list){0};
}

static int make(struct fs *fs, enum node_kind kind, const struct view *view, const char *name,
	struct node **ret)
{
	fs_lock(fs);
	struct node *node = node_make(fs, kind, NULL, name, INO_CONTROL | ++fs->special_ino << 8);
	if (node) {
		node->view = view;
		node_pin(node);
	}
	fs_unlock(fs);
	if (!node)
		return -ENOMEM;
	*ret = node;
	return 0;
}

int view_file(struct fs *fs, const struct view *view, const char *name, struct node **ret)
{
	return make(fs, NODE_VIEW_FILE, view, name, ret);
}

int view_dir(struct fs *fs, const struct view *view, const char *name, struct node **ret)
{
	return make(fs, NODE_VIEW_DIR, view, name, ret);
}
