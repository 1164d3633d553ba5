/* .turnfs/lost/ID: turns that a chat server has written over, as long as the store keeps them. */
#include "view.h"

#include "control.h"

#include <string.h>

/* The lost turns of that thread. 0, or -ENOENT: it has none. */
static int page_of(struct fs *fs, const char *id, struct lost_page *ret)
{
	struct thread_info info;
	int rc = store_thread_find(fs->store, id, &info);
	if (!rc)
		rc = store_lost_next(fs->store, info.gen - 1, ret);
	if (rc < 0 || ret->gen == info.gen)
		return rc;
	lost_page_done(ret);
	return -ENOENT;
}

static const struct lost_turn *turn_named(const struct lost_page *page, const char *name)
{
	for (size_t i = 0; i < page->count; i++)
		if (!strcmp(page->items[i].name, name))
			return &page->items[i];
	return NULL;
}

/* A file's node is called "ID/NAME", which no name on the mount can be. */
static int find_turn(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	struct lost_page page;
	char *path;
	int rc = page_of(fs, dir->name, &page);
	if (rc < 0)
		return rc;
	bool there = turn_named(&page, name);
	lost_page_done(&page);
	if (!there)
		return -ENOENT;
	if (asprintf(&path, "%s/%s", dir->name, name) < 0)
		return -ENOMEM;
	rc = view_file(fs, dir->view, path, ret);
	free(path);
	return rc;
}

static int lost_find(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	struct lost_page page;
	if (strlen(name) > STORE_NAME_MAX)
		return -ENAMETOOLONG;
	if (dir->kind == NODE_VIEW_DIR)
		return find_turn(fs, dir, name, ret);
	int rc = page_of(fs, name, &page);
	if (rc < 0)
		return rc;
	lost_page_done(&page);
	return view_dir(fs, dir->view, name, ret);
}

static int list_turns(struct fs *fs, const struct node *dir, struct view_list *ret)
{
	struct lost_page page;
	int rc = page_of(fs, dir->name, &page);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	for (size_t i = 0; i < page.count && !rc; i++)
		rc = view_list_add(ret, page.items[i].name, INO_CONTROL + 1024 + i, false);
	lost_page_done(&page);
	return rc;
}

static int lost_list(struct fs *fs, const struct node *dir, struct view_list *ret)
{
	struct lost_page page;
	int rc;
	if (dir->kind == NODE_VIEW_DIR)
		return list_turns(fs, dir, ret);
	for (uint64_t after = 0; !(rc = store_lost_next(fs->store, after, &page));) {
		after = page.gen;
		rc = view_list_add(ret, page.id, page.gen, true);
		lost_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return rc == -ENOENT ? 0 : rc;
}

static int lost_text(struct fs *fs, const struct node *node, struct blob **ret)
{
	char id[STORE_NAME_MAX + 1];
	struct lost_page page;
	const char *slash = strchr(node->name, '/');
	snprintf(id, sizeof id, "%.*s", (int)(slash - node->name), node->name);
	int rc = page_of(fs, id, &page);
	if (rc < 0)
		return rc;
	const struct lost_turn *turn = turn_named(&page, slash + 1);
	if (turn)
		*ret = blob_ref(turn->content);
	lost_page_done(&page);
	return turn ? 0 : -ENOENT;
}

const struct view view_lost = {
	.name = "lost",
	.find = lost_find,
	.list = lost_list,
	.text = lost_text,
};
