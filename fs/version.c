/* Versions of open files that others change. */
#include "version.h"

#include "file.h"
#include "lineage.h"
#include "notify.h"

#include <string.h>
#include <utlist.h>

enum { PAGE = 1000 };

struct node *version_named(struct fs *fs, struct thread *thread, const char *name)
{
	struct node *node;
	fs_lock(fs);
	DL_FOREACH(thread->nodes, node)
	if (!strcmp(node->name, name))
		break;
	if (node)
		node_pin(node);
	fs_unlock(fs);
	return node;
}

struct node *version_numbered(struct fs *fs, uint64_t ino)
{
	struct node *node;
	uint64_t key = node_key(ino, THREAD_VIEW_LIVE);
	fs_lock(fs);
	HASH_FIND(hh, fs->files, &key, sizeof key, node);
	if (node)
		node_pin(node);
	fs_unlock(fs);
	return node;
}

bool version_told(struct fs *fs, struct node *node, uint64_t revision)
{
	if (!fs->lineage || node->told == revision)
		return true;
	if (node->told == STORE_REVISION_NONE || lineage_leads(fs, node->told, revision)) {
		node->told = revision;
		return true;
	}
	return false;
}

/* Written to and not committed, or about to be. fs->lock held. */
static bool is_dirty(const struct file *file)
{
	return file->writers || file->emptied || file->mapped;
}

static bool begins_with(const struct blob *text, const struct blob *start)
{
	return blob_size(text) >= blob_size(start) &&
	       !memcmp(blob_data(text), blob_data(start), blob_size(start));
}

/* What a look at the store came to. */
struct look {
	int rc;
	struct file_info info;
	struct blob *content;
	uint64_t grown_from; /* bytes; UINT64_MAX: the pages that the kernel has stay */
};

/* Nobody finds it any more; who has it open keeps it. fs->lock held. */
static void make_stale(struct fs *fs, struct node *node)
{
	if (node->file)
		node->file->stale = true;
	node_unhash(fs, node);
}

/* It is the same file with more at its end, or with other attributes. fs->lock held. */
static void grow(struct node *node, struct look *look)
{
	struct file *file = node->file;
	look->grown_from = blob_size(file->content);
	blob_unref(file->content);
	file->content = look->content;
	look->content = NULL;
	file_info_done(&file->info);
	file->info = look->info;
	look->info.meta = NULL;
	file->changes++;
	node->told = file->info.revision;
}

/* The file is ours (busy). fs->lock held. */
static void compare(struct fs *fs, struct node *node, struct look *look)
{
	struct file *file = node->file;
	bool same = !look->rc && look->info.ino == node->ino;
	if ((look->rc && look->rc != -ENOENT) || !file->known || file->unlinked || file->stale)
		return;
	if (same && lineage_leads(fs, file->info.revision, look->info.revision))
		return; /* no change, or one of ours */
	if (same && file->loaded && !is_dirty(file) && begins_with(look->content, file->content))
		grow(node, look);
	else
		make_stale(fs, node);
}

/* Reserves the file of a node that is open, or known here. False: there is none that matters. */
static bool reserve(struct fs *fs, struct node *node)
{
	fs_lock(fs);
	struct file *file = node->file;
	bool matters = file && !file->draft && !file->unlinked && !file->stale;
	if (matters)
		file_busy(fs, file);
	fs_unlock(fs);
	return matters;
}

static void look_at(struct fs *fs, struct node *node, struct look *look)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	snprintf(name, sizeof name, "%s", node->name);
	struct thread_ref ref = thread_ref(node->thread);
	fs_unlock(fs);
	*look = (struct look){.grown_from = UINT64_MAX};
	look->rc = store_file_read(fs->store, ref, name, &look->content, &look->info);
	lineage_settle(fs, ref.gen);
}

void version_look(struct fs *fs, struct node *node)
{
	struct look look;
	if (!reserve(fs, node))
		return;
	look_at(fs, node, &look);
	fs_lock(fs);
	compare(fs, node, &look);
	file_idle(fs, node->file);
	fs_unlock(fs);
	if (look.grown_from != UINT64_MAX)
		notify_growth(fs, node, look.grown_from);
	blob_unref(look.content);
	file_info_done(&look.info);
}

int version_find(struct fs *fs, struct thread *thread, uint64_t ino, struct file_info *ret)
{
	char name[STORE_NAME_MAX + 1] = "";
	bool found = false;
	for (bool more = true; more && !found;) {
		struct file_page page;
		int rc = store_file_list(fs->store, thread_ref(thread), name, PAGE, false, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count && !found; i++) {
			found = page.items[i].ino == ino;
			snprintf(name, sizeof name, "%s", page.items[i].name);
		}
		more = page.more && page.count;
		file_page_done(&page);
	}
	return found ? store_file_stat(fs->store, thread_ref(thread), name, ret) : -ENOENT;
}

void version_left(struct fs *fs, struct node *node)
{
	struct file_info info;
	fs_lock(fs);
	const struct file *file = node->file;
	bool draft = file && file->draft;
	bool open = file && (file->handles || file->users || file->busy);
	struct thread *thread = node->thread;
	fs_unlock(fs);
	if (draft)
		return; /* the store has nothing of it yet; its commit sees what is there */
	if (open && version_find(fs, thread, node->ino, &info) == 0) {
		version_follow(fs, node, thread, info.name);
		version_look(fs, node);
		file_info_done(&info);
		return;
	}
	if (open) {
		version_look(fs, node);
		return;
	}
	fs_lock(fs);
	if (!node->file)
		node_unhash(fs, node);
	fs_unlock(fs);
}

/* No change of ours is under way meanwhile: the file is reserved. */
void version_follow(struct fs *fs, struct node *node, struct thread *to, const char *name)
{
	char *copy = strdup(name);
	struct file_info info = {0};
	fs_lock(fs);
	struct file *file = copy && node->hashed ? file_get(fs, node) : NULL;
	if (!file) {
		fs_unlock(fs);
		free(copy);
		return;
	}
	file_busy(fs, file);
	fs_unlock(fs);
	int rc = store_file_stat(fs->store, thread_ref(to), name, &info);
	fs_lock(fs);
	if (!rc && info.ino == node->ino && node->hashed && !to->dead)
		file_moved(fs, node, to, copy);
	else
		free(copy);
	file_idle(fs, file);
	fs_unlock(fs);
	file_info_done(&info);
}
