/*
 * Directories. An entry's cookie is its inode number, in ascending order: it means the same for
 * every handle and stays true while others come and go. A thread is listed from a snapshot taken at
 * a handle's first read; the root in pages, so that memory does not grow with the store.
 */
#include "dir.h"

#include "attr.h"
#include "backup.h"
#include "control.h"
#include "doc.h"
#include "entry.h"
#include "file.h"
#include "notify.h"
#include "remote.h"
#include "version.h"
#include "view.h"
#include "work.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
	COOKIE_DOT = 1,
	COOKIE_DOTDOT = 2, /* then inode numbers, moved up by as much */
	ROOT_PAGE = 1000,
	THREAD_PAGE = 256,
	LISTED_NODES = 65536, /* files the kernel knows, up to which listings bring attributes */
};

struct dir_entry {
	uint64_t ino;
	uint64_t order; /* what the cookie follows: the inode number, but thread.json comes last */
	struct file_info *info; /* owned; NULL: a draft, thread.json, or one of .turnfs */
	bool is_dir; /* of .turnfs and its views */
	char *name;
};

struct dir {
	struct dir *prev, *next; /* in fs->dirs */
	struct node *node;
	pthread_mutex_t lock; /* guards what is below; a handle may be read by several threads */
	bool filled;
	struct dir_entry *entries; /* THREAD, .turnfs: the snapshot, by ino */
	uint64_t revision; /* THREAD: of the thread as we knew it when the snapshot began */
	size_t count, capacity;
	unsigned root_changes; /* ROOT: when it was opened */
	struct thread_page page; /* ROOT: the page read last, after gen `page_after` */
	uint64_t page_after;
};

#define ORDER_DOC ((uint64_t)INT64_MAX - COOKIE_DOTDOT)

/* A reply being filled. */
struct filling {
	fuse_req_t req;
	struct fs *fs;
	bool plus;
	char *buffer;
	size_t size, used;
};

static void entries_clear(struct dir *dir)
{
	for (size_t i = 0; i < dir->count; i++) {
		if (dir->entries[i].info)
			file_info_done(dir->entries[i].info);
		free(dir->entries[i].info);
		free(dir->entries[i].name);
	}
	dir->count = 0;
}

static void dir_free(struct fs *fs, struct dir *dir)
{
	fs_lock(fs);
	DL_DELETE(fs->dirs, dir);
	fs_unlock(fs);
	entries_clear(dir);
	free(dir->entries);
	thread_page_done(&dir->page);
	pthread_mutex_destroy(&dir->lock);
	free(dir);
}

void dir_free_all(struct fs *fs)
{
	while (fs->dirs)
		dir_free(fs, fs->dirs);
}

bool dir_is_open(struct fs *fs, const struct node *node)
{
	const struct dir *dir;
	DL_FOREACH(fs->dirs, dir)
	if (dir->node == node)
		return true;
	return false;
}

void dir_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct node *node = node_of(fs, id);
	int rc = backup_asked(fs, node, fuse_req_ctx(req)->pid, true);
	if (rc < 0) {
		fs_reply(req, rc);
		return;
	}
	if (node->kind == NODE_THREAD && !thread_alive(fs, (struct thread *)node)) {
		fs_reply(req, -ENOENT);
		return;
	}
	struct dir *dir = calloc(1, sizeof *dir);
	if (!dir) {
		fs_reply(req, -ENOMEM);
		return;
	}
	dir->node = node;
	dir->root_changes = atomic_load(&fs->root_changes);
	pthread_mutex_init(&dir->lock, NULL);
	fs_lock(fs);
	DL_APPEND(fs->dirs, dir);
	fs_unlock(fs);
	fi->fh = (uint64_t)(uintptr_t)dir;
	bool cached = node->kind == NODE_ROOT ? atomic_load(&fs->deadlines_loaded)
					      : node->kind == NODE_THREAD && node_is_writable(node);
	cached = cached && remote_is_told(fs);
	fi->cache_readdir = cached;
	fi->keep_cache = cached;
	if (fuse_reply_open(req, fi) == -ENOENT)
		dir_free(fs, dir);
}

static void root_forget_run(struct fs *fs, struct work *work)
{
	notify_inode(fs, &fs->root, true);
	free(work);
}

/*
 * What others changed while the root was being listed: the kernel dropped the listing when it was
 * told, and may have cached names after that which we had sent before.
 */
static void root_listed(struct fs *fs, const struct dir *dir)
{
	if (dir->node != &fs->root || dir->root_changes == atomic_load(&fs->root_changes))
		return;
	struct work *work = calloc(1, sizeof *work);
	if (!work)
		return; /* it is stale until the next change */
	work->run = root_forget_run;
	work_submit(fs, work);
}

void dir_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct dir *dir = (struct dir *)(uintptr_t)fi->fh;
	root_listed(fs, dir);
	dir_free(fs, dir);
	fs_reply(req, 0);
}

void dir_sync(fuse_req_t req, fuse_ino_t id, int datasync, struct fuse_file_info *fi)
{
	fs_reply(req, store_sync(fs_of(req)->store));
}

static int entry_add(struct dir *dir, const char *name, uint64_t ino, struct file_info *info)
{
	if (dir->count == dir->capacity) {
		size_t capacity = dir->capacity ? 2 * dir->capacity : 32;
		struct dir_entry *entries = realloc(dir->entries, capacity * sizeof *dir->entries);
		if (!entries)
			return -ENOMEM;
		dir->entries = entries;
		dir->capacity = capacity;
	}
	struct dir_entry entry = {.ino = ino, .order = ino, .name = strdup(name)};
	if (entry.name && info && (entry.info = malloc(sizeof *info))) {
		*entry.info = *info;
		blob_ref(info->meta);
	}
	if (!entry.name || (info && !entry.info)) {
		free(entry.name);
		return -ENOMEM;
	}
	dir->entries[dir->count++] = entry;
	return 0;
}

/*
 * thread.json comes last: who extracts or copies a listing's order then says of turns what it says
 * when they are there.
 */
static int doc_add(struct dir *dir, const struct thread *thread)
{
	int rc = entry_add(dir, ENTRY_DOC, thread->doc_ino, NULL);
	if (!rc)
		dir->entries[dir->count - 1].order = ORDER_DOC;
	return rc;
}

static int entry_compare(const void *a, const void *b)
{
	uint64_t left = ((const struct dir_entry *)a)->order;
	uint64_t right = ((const struct dir_entry *)b)->order;
	return left < right ? -1 : left > right;
}

static void entries_sort(struct dir *dir)
{
	if (dir->count) /* qsort() takes no NULL, even of nothing */
		qsort(dir->entries, dir->count, sizeof *dir->entries, entry_compare);
}

/* Drafts of a thread, and which stored names they stand before. */
static int drafts_add(struct fs *fs, struct dir *dir, struct thread *thread)
{
	int rc = 0;
	struct file *file;
	fs_lock(fs);
	LL_FOREACH(thread->files, file)
	if (!rc && file->draft && !file->unlinked)
		rc = entry_add(dir, file->node->name, file->info.ino, NULL);
	if (!rc && !entry_doc_hidden(thread))
		rc = doc_add(dir, thread);
	fs_unlock(fs);
	return rc;
}

static bool listed(const struct dir *dir, size_t count, const struct file_info *info)
{
	for (size_t i = 0; i < count; i++)
		if (dir->entries[i].ino == info->ino || !strcmp(dir->entries[i].name, info->name))
			return true;
	return false;
}

static int backup_add(void *arg, const char *name, uint64_t ino)
{
	struct dir *dir = arg;
	int rc = entry_add(dir, name, ino, NULL);
	if (!rc && !strcmp(name, ENTRY_DOC))
		dir->entries[dir->count - 1].order = ORDER_DOC;
	return rc;
}

/* A thread as a handle lists it, from its first read on. */
static int snapshot(struct fs *fs, struct dir *dir, struct thread *thread)
{
	char after[STORE_NAME_MAX + 1] = "";
	bool backup = thread->view == THREAD_VIEW_BACKUP;
	dir->revision = thread->revision;
	int rc = backup ? backup_each(fs, thread, backup_add, dir) : drafts_add(fs, dir, thread);
	size_t ours = dir->count;
	for (bool more = !backup; more && !rc;) {
		struct file_page page;
		rc = store_file_list(
			fs->store, thread_ref(thread), after, THREAD_PAGE, false, &page);
		if (rc < 0)
			break;
		for (size_t i = 0; i < page.count && !rc; i++)
			if (!listed(dir, ours, &page.items[i]))
				rc = entry_add(
					dir, page.items[i].name, page.items[i].ino, &page.items[i]);
		more = page.more && page.count;
		if (page.count)
			snprintf(after, sizeof after, "%s", page.items[page.count - 1].name);
		file_page_done(&page);
	}
	if (rc < 0) {
		entries_clear(dir);
		return rc;
	}
	entries_sort(dir);
	dir->filled = true;
	return 0;
}

/* .turnfs, or a view in it: whatever it lists now. */
static int snapshot_computed(struct fs *fs, struct dir *dir)
{
	struct view_list list = {0};
	const struct view *view = dir->node->view;
	int rc = view ? view->list(fs, dir->node, &list) : control_list(fs, &list);
	for (size_t i = 0; i < list.count && !rc; i++) {
		rc = entry_add(dir, list.items[i].name, list.items[i].ino, NULL);
		if (!rc)
			dir->entries[dir->count - 1].is_dir = list.items[i].is_dir;
	}
	view_list_done(&list);
	if (rc < 0) {
		entries_clear(dir);
		return rc;
	}
	entries_sort(dir);
	dir->filled = true;
	return 0;
}

/* Adds one entry to the reply. False: it is full. `entry` NULL: name and number only. */
static bool fill_at(struct filling *f, const char *name, uint64_t ino, mode_t type, uint64_t cookie,
	const struct fuse_entry_param *entry)
{
	struct fuse_entry_param bare = {.attr = {.st_ino = ino, .st_mode = type}};
	char *at = f->buffer + f->used;
	size_t room = f->size - f->used, need;
	if (f->plus)
		need = fuse_add_direntry_plus(
			f->req, at, room, name, entry ? entry : &bare, (off_t)cookie);
	else
		need = fuse_add_direntry(f->req, at, room, name, &bare.attr, (off_t)cookie);
	if (need > room)
		return false;
	f->used += need;
	return true;
}

static bool fill(struct filling *f, const char *name, uint64_t ino, mode_t type, uint64_t order,
	const struct fuse_entry_param *entry)
{
	return fill_at(f, name, ino, type, order + COOKIE_DOTDOT, entry);
}

/*
 * The node and attributes that readdirplus hands out with a name; false: only the name. That is all
 * there is to say once the thread has changed: a file may be gone or replaced since the snapshot,
 * and the kernel, which has been told so already, would believe in it again.
 */
static bool entry_of(struct fs *fs, const struct dir *dir, const struct dir_entry *e,
	struct node **ret_node, struct fuse_entry_param *ret)
{
	memset(ret, 0, sizeof *ret);
	struct thread *thread = (struct thread *)dir->node;
	struct node *node = NULL;
	if (e->info && thread->revision != dir->revision)
		return false;
	if (e->info && e->info->revision == STORE_REVISION_NONE)
		return false; /* damaged: its size is not known, and a lookup says EIO (F7) */
	if (!e->info) {
		if (entry_find(fs, thread, e->name, &node) < 0)
			return false;
		if (entry_fill(fs, node, ret) < 0) {
			fs_lock(fs);
			node_unpin(fs, node);
			fs_unlock(fs);
			return false;
		}
	} else {
		attr_file(fs, e->info, &ret->attr);
		fs_lock(fs);
		if (thread_alive(fs, thread))
			node = node_file(fs, thread, e->name, e->ino);
		if (node) {
			if (strcmp(node->name, e->name) || node->thread != thread) {
				fs_unlock(fs); /* renamed since the snapshot */
				return false;
			}
			if (node->file && node->file->known)
				attr_file(fs, &node->file->info, &ret->attr);
			else
				version_told(fs, node, e->info->revision);
			node_known(node);
			node_pin(node);
		}
		fs_unlock(fs);
		if (!node)
			return false;
		ret->ino = node_id(fs, node);
		ret->generation = 1;
		ret->attr_timeout = ret->entry_timeout = attr_timeout(fs, thread->deadline_ms);
	}
	*ret_node = node;
	return true;
}

/*
 * Each name that is handed out with attributes makes a node here until the kernel forgets it, which
 * it may never do. Past a limit, only names: who wants the attributes looks them up.
 */
static bool enough_nodes(struct fs *fs)
{
	fs_lock(fs);
	bool enough = HASH_COUNT(fs->files) >= LISTED_NODES;
	fs_unlock(fs);
	return enough;
}

static bool fill_file(struct filling *f, const struct dir *dir, const struct dir_entry *e)
{
	struct fuse_entry_param entry;
	struct node *node = NULL;
	if (!f->plus || enough_nodes(f->fs) || !entry_of(f->fs, dir, e, &node, &entry))
		return fill(f, e->name, e->ino, S_IFREG, e->order, NULL);
	bool filled = fill(f, e->name, e->ino, S_IFREG, e->order, &entry);
	fs_lock(f->fs);
	if (!filled)
		node_forget(f->fs, node, 1);
	node_unpin(f->fs, node);
	fs_unlock(f->fs);
	return filled;
}

static int fill_entries(struct filling *f, struct dir *dir, uint64_t after)
{
	struct thread *thread = dir->node->kind == NODE_THREAD ? (struct thread *)dir->node : NULL;
	if (!dir->filled) {
		int rc = thread ? snapshot(f->fs, dir, thread) : snapshot_computed(f->fs, dir);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < dir->count; i++) {
		const struct dir_entry *e = &dir->entries[i];
		if (e->order <= after)
			continue;
		bool filled = thread ? fill_file(f, dir, e)
				     : fill(f, e->name, e->ino, e->is_dir ? S_IFDIR : S_IFREG,
					       e->order, NULL);
		if (!filled)
			break;
	}
	return 0;
}

/* The page of threads that begins after `gen`, kept in the handle for the next read. */
static int root_page(struct fs *fs, struct dir *dir, uint64_t gen)
{
	thread_page_done(&dir->page);
	dir->page = (struct thread_page){0};
	int rc = store_thread_list(fs->store, THREAD_LIVE, gen, ROOT_PAGE, &dir->page);
	dir->filled = !rc;
	dir->page_after = gen;
	return rc;
}

/* Whether the page in the handle has what comes after `gen`; then from which item on. */
static bool page_covers(const struct dir *dir, uint64_t gen, size_t *ret)
{
	const struct thread_page *page = &dir->page;
	if (!dir->filled || gen < dir->page_after)
		return false;
	size_t i = 0;
	while (i < page->count && page->items[i].gen <= gen)
		i++;
	*ret = i;
	return i < page->count || !page->more;
}

/* All live threads: the root, and .turnfs/backup. */
static int fill_root(struct filling *f, struct dir *dir, uint64_t gen)
{
	uint64_t bit = dir->node->kind == NODE_ROOT ? 0 : INO_BACKUP;
	for (;;) {
		size_t i;
		if (!page_covers(dir, gen, &i)) {
			int rc = root_page(f->fs, dir, gen);
			if (rc < 0)
				return rc;
			i = 0;
		}
		for (; i < dir->page.count; i++) {
			const struct thread_info *t = &dir->page.items[i];
			if (!fill(f, t->id, t->gen | bit, S_IFDIR, t->gen, NULL))
				return 0;
			gen = t->gen;
		}
		if (!dir->page.more || !dir->page.count)
			return 0;
	}
}

static int fill_all(struct filling *f, struct dir *dir, uint64_t cookie)
{
	struct node *node = dir->node;
	if (node->kind == NODE_THREAD && !thread_alive(f->fs, (struct thread *)node))
		return -ENOENT;
	if (cookie < COOKIE_DOT) { /* from the start, maybe again: what is there now */
		entries_clear(dir);
		dir->filled = false;
	}
	if (cookie < COOKIE_DOT && !fill_at(f, ".", node->ino, S_IFDIR, COOKIE_DOT, NULL))
		return 0;
	if (cookie < COOKIE_DOTDOT && !fill_at(f, "..", FUSE_ROOT_ID, S_IFDIR, COOKIE_DOTDOT, NULL))
		return 0;
	uint64_t after = cookie < COOKIE_DOTDOT ? 0 : cookie - COOKIE_DOTDOT;
	bool threads = node->kind == NODE_ROOT || node->view == &view_backup;
	return threads ? fill_root(f, dir, after) : fill_entries(f, dir, after);
}

static void read_dir(
	fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus)
{
	struct dir *dir = (struct dir *)(uintptr_t)fi->fh;
	struct filling f = {.req = req, .fs = fs_of(req), .plus = plus, .size = size};
	f.buffer = malloc(size);
	int rc = f.buffer ? 0 : -ENOMEM;
	if (!rc) {
		pthread_mutex_lock(&dir->lock);
		rc = fill_all(&f, dir, (uint64_t)offset);
		pthread_mutex_unlock(&dir->lock);
	}
	if (rc < 0)
		fs_reply(req, rc);
	else
		fuse_reply_buf(req, f.buffer, f.used);
	free(f.buffer);
}

void dir_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	read_dir(req, size, offset, fi, false);
}

void dir_read_plus(
	fuse_req_t req, fuse_ino_t id, size_t size, off_t offset, struct fuse_file_info *fi)
{
	read_dir(req, size, offset, fi, true);
}
