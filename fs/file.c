/* Open files: what is known of a turn or an attachment while it is open or newer than the store's.
 */
#include "file.h"

#include "append.h"
#include "attr.h"
#include "base/log.h"
#include "base/name.h"
#include "lineage.h"
#include "notify.h"
#include "refusals.h"
#include "version.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* What is kept for those who are about to open it; larger files they look up again. */
enum { KEEP_MAX = 1 << 20, RETRIES = 32 };

struct file *file_get(struct fs *fs, struct node *node)
{
	struct file *file = node->file;
	if (file)
		return file;
	file = calloc(1, sizeof *file);
	if (!file)
		return NULL;
	file->node = node;
	node->file = file;
	node_pin(node);
	LL_PREPEND(node->thread->files, file);
	return file;
}

void file_drop_if_idle(struct fs *fs, struct file *file)
{
	if (!file || file->handles || file->busy || file->users || (file->draft && !file->unlinked))
		return;
	struct node *node = file->node;
	if (file->unlinked && file->loaded && node->nlookup && !node->thread->dead)
		return; /* somebody may be about to open it; its FORGET comes soon */
	LL_DELETE(node->thread->files, file);
	node->file = NULL;
	blob_unref(file->content);
	file_info_done(&file->info);
	free(file);
	node_unpin(fs, node);
}

void file_discard(struct fs *fs, struct node *node)
{
	struct file *file = node->file;
	if (!file)
		return;
	file->handles = file->users = 0;
	file->busy = false;
	file->unlinked = true;
	file_drop_if_idle(fs, file);
}

struct file *file_draft(struct thread *thread, const char *name)
{
	struct file *file;
	LL_FOREACH(thread->files, file)
	if (file->draft && !file->unlinked && !strcmp(file->node->name, name))
		return file;
	return NULL;
}

uint32_t file_highest_draft(const struct thread *thread)
{
	uint32_t highest = 0, number;
	const struct file *file;
	LL_FOREACH(thread->files, file)
	if (file->draft && !file->unlinked && name_turn_parse(file->node->name, &number, NULL) &&
		number > highest)
		highest = number;
	return highest;
}

/* From now on it commits at its last release, unless it is written. fs->lock held. */
static void file_emptied(struct file *file)
{
	file->emptied = true;
	file->refusals = refusals_count();
}

bool file_left_empty(const struct file *file)
{
	return file->emptied && file->refusals == refusals_count();
}

void file_busy(struct fs *fs, struct file *file)
{
	file->users++;
	while (file->busy)
		pthread_cond_wait(&fs->idle, &fs->lock);
	file->users--;
	file->busy = true;
}

void file_idle(struct fs *fs, struct file *file)
{
	file->busy = file->leaving = false;
	pthread_cond_broadcast(&fs->idle);
	file_drop_if_idle(fs, file);
}

/* Copies the file's present name: it may change while we wait for the store. fs->lock held. */
static struct thread_ref file_where(const struct node *node, char name[STORE_NAME_MAX + 1])
{
	snprintf(name, STORE_NAME_MAX + 1, "%s", node->name);
	return thread_ref(node->thread);
}

/*
 * Whether the file has another name than the store was just asked for, or may get one: a rename
 * under way has changed the store and not yet us. That is waited for, but not for ever: it may be
 * our own.
 */
static bool file_name_moved(struct fs *fs, const struct node *node, const char *asked)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	fs_lock(fs);
	bool busy = node->file && node->file->busy;
	int rc = 0;
	while (!rc && !strcmp(asked, node->name) && node->file && node->file->busy)
		rc = pthread_cond_timedwait(&fs->idle, &fs->lock, &until);
	bool moved = strcmp(asked, node->name);
	fs_unlock(fs);
	return moved || (busy && !rc);
}

/*
 * Asks the store for the file (with its content if `content` is not NULL) under the name it has. It
 * may be renamed here meanwhile: then once more.
 */
static int file_fetch(
	struct fs *fs, struct node *node, struct blob **content, struct file_info *info)
{
	char name[STORE_NAME_MAX + 1];
	int rc = -ENOENT;
	for (int i = 0; i < 8; i++) {
		fs_lock(fs);
		struct thread_ref ref = file_where(node, name);
		fs_unlock(fs);
		rc = content ? store_file_read(fs->store, ref, name, content, info)
			     : store_file_stat(fs->store, ref, name, info);
		if (!rc && info->ino == node->ino)
			return 0;
		if (!rc) {
			file_info_done(info);
			if (content)
				blob_unref(*content);
			rc = -ENOENT;
		}
		if (rc != -ENOENT || !file_name_moved(fs, node, name))
			return rc;
	}
	return rc;
}

static bool file_is_loaded(struct fs *fs, const struct node *node)
{
	fs_lock(fs);
	bool loaded = node->file && node->file->loaded;
	fs_unlock(fs);
	return loaded;
}

/* 0; -EAGAIN: it was changed while we asked (stream.c), and what came may be older; -errno. */
static int file_load_once(struct fs *fs, struct node *node)
{
	struct blob *content = NULL;
	struct file_info info;
	fs_lock(fs);
	uint64_t changes = node->file ? node->file->changes : 0;
	fs_unlock(fs);
	int rc = file_fetch(fs, node, &content, &info);
	if (rc < 0)
		return file_is_loaded(fs, node) ? 0 : rc; /* kept by who has removed it meanwhile */
	fs_lock(fs);
	struct file *file = node->file;
	if (file && !file->loaded && file->changes != changes) {
		rc = -EAGAIN;
	} else if (file && !file->loaded) {
		file->content = content;
		file->loaded = true;
		content = NULL;
		if (!file->known) {
			file->info = info;
			file->known = true;
			info.meta = NULL;
		}
	}
	fs_unlock(fs);
	blob_unref(content);
	file_info_done(&info);
	return rc;
}

int file_load(struct fs *fs, struct node *node)
{
	int rc = file_is_loaded(fs, node) ? 0 : -EAGAIN;
	while (rc == -EAGAIN)
		rc = file_load_once(fs, node);
	return rc;
}

int file_keep(struct fs *fs, struct node *node)
{
	struct stat st;
	fs_lock(fs);
	bool open = node->file->handles;
	fs_unlock(fs);
	int rc = open ? 0 : file_attr(fs, node, &st);
	if (!rc && (open || st.st_size <= KEEP_MAX))
		rc = file_load(fs, node);
	return rc == -EIO ? 0 : rc;
}

/* From the open file, if it is known. */
static bool file_attr_known(struct fs *fs, const struct node *node, struct stat *ret)
{
	fs_lock(fs);
	bool known = node->file && node->file->known;
	if (known) {
		attr_file(fs, &node->file->info, ret);
		if (node->file->unlinked)
			ret->st_nlink = 0;
	}
	fs_unlock(fs);
	return known;
}

int file_attr(struct fs *fs, struct node *node, struct stat *ret)
{
	if (file_attr_known(fs, node, ret))
		return 0;
	struct file_info info;
	int rc = file_fetch(fs, node, NULL, &info);
	if (rc < 0)
		return file_attr_known(fs, node, ret) ? 0 : rc;
	attr_file(fs, &info, ret);
	fs_lock(fs);
	version_told(fs, node, info.revision);
	fs_unlock(fs);
	file_info_done(&info);
	return 0;
}

/* Lets file->info follow what was asked for. fs->lock held. */
static void info_set(struct file_info *info, unsigned set, const struct change *change, int64_t now)
{
	if (set & SET_MODE)
		info->mode = change->mode;
	if (set & SET_OWNER) {
		info->uid = change->uid;
		info->gid = change->gid;
	}
	if (set & SET_MTIME)
		info->mtime_ns = change->mtime_ns;
	info->ctime_ns = now;
}

static int apply_attr(struct fs *fs, struct thread_ref ref, const struct thread_change *thread,
	struct change *change, struct thread_info *ret)
{
	unsigned flags = name_is_scratch(change->name) ? 0 : STORE_RENEW;
	int rc = -ESTALE;
	for (int i = 0; i < RETRIES && rc == -ESTALE; i++) {
		rc = lineage_expect(fs, ref, change->name, &change->expect);
		if (!rc)
			rc = store_apply(fs->store, ref, thread, change, 1, flags, ret);
	}
	return rc;
}

int file_set_attr(struct fs *fs, struct node *node, unsigned set, uint32_t mode, uint32_t uid,
	uint32_t gid, int64_t mtime_ns)
{
	char name[STORE_NAME_MAX + 1];
	struct change change = {
		.kind = CHANGE_PUT,
		.name = name,
		.expect = STORE_REVISION_ANY,
		.set = set,
		.mode = mode,
		.uid = uid,
		.gid = gid,
		.mtime_ns = mtime_ns,
	};
	struct thread_change thread_change = {.time_ns = fs_now_ns(fs)};
	fs_lock(fs);
	struct file *file = file_get(fs, node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file_busy(fs, file);
	struct thread *thread = node->thread;
	struct thread_ref ref = file_where(node, name);
	bool stored = !file->draft && !file->unlinked;
	struct thread_info info;
	int rc = file->stale ? -ESTALE : 0;
	fs_unlock(fs);

	if (!rc && stored)
		rc = apply_attr(fs, ref, &thread_change, &change, &info);
	fs_lock(fs);
	if (!rc) {
		if (file->known)
			info_set(&file->info, set, &change, thread_change.time_ns);
		if (stored) {
			lineage_adopt(fs, file, change.ret_revision);
			thread_update(fs, thread, &info);
		}
	}
	file_idle(fs, file);
	fs_unlock(fs);
	return rc;
}

void file_revert(struct fs *fs, struct node *node)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	struct file *file = node->file;
	if (file && file->stale) /* the store has another one: it reads as it was written */
		file->emptied = file->mapped = false;
	if (!file || file->writers || file->unlinked || file->stale) {
		fs_unlock(fs);
		return;
	}
	file_busy(fs, file);
	bool draft = file->draft, claimed = file->claimed;
	struct thread *thread = node->thread;
	struct thread_ref ref = file_where(node, name);
	if (draft) {
		file->unlinked = true;
		node_unhash(fs, node);
	} else {
		blob_unref(file->content);
		file->content = NULL;
		file_info_done(&file->info);
		file->info = (struct file_info){0};
		file->loaded = file->known = file->emptied = file->mapped = false;
	}
	bool read =
		!draft && file->handles && fs->lineage; /* M5: whoever has it open, one version */
	file->users += read;
	file_idle(fs, file);
	fs_unlock(fs);
	if (read) {
		file_load(fs, node);
		fs_lock(fs);
		file->users--;
		node->told = STORE_REVISION_ANY;
		file_drop_if_idle(fs, file);
		fs_unlock(fs);
	}
	if (draft && claimed)
		store_unclaim(fs->store, ref, name);
	if (draft)
		notify_entry(fs, &thread->node, name);
	notify_inode(fs, node, true);
}

void file_unmake(struct fs *fs, struct node *node, bool opened)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	struct file *file = node->file;
	if (opened)
		file->handles--;
	file_busy(fs, file);
	bool unmade = file->draft && !file->handles, claimed = file->claimed;
	struct thread_ref ref = file_where(node, name);
	if (unmade) {
		file->unlinked = true;
		node_unhash(fs, node);
	}
	file_idle(fs, file);
	fs_unlock(fs);
	if (unmade && claimed)
		store_unclaim(fs->store, ref, name);
}

int file_number_free(struct fs *fs, struct thread *thread, const char *name, const char *but)
{
	uint32_t number, other;
	if (!name_turn_parse(name, &number, NULL))
		return 0;
	fs_lock(fs);
	struct file *file;
	LL_FOREACH(thread->files, file)
	{
		const char *have = file->node->name;
		if (file->draft && !file->unlinked && strcmp(have, name) && strcmp(have, but) &&
			name_turn_parse(have, &other, NULL) && other == number) {
			fs_unlock(fs);
			return -EEXIST;
		}
	}
	fs_unlock(fs);
	struct file_info info;
	int rc = store_turn_stat(fs->store, thread_ref(thread), number, &info);
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	bool taken = strcmp(info.name, name) && strcmp(info.name, but);
	file_info_done(&info);
	return taken ? -EEXIST : 0;
}

/* Whether a turn was added under the number meanwhile. -ESTALE: by this very name; look it up. */
static int number_taken(struct fs *fs, struct thread *thread, const char *name)
{
	struct file_info info;
	uint32_t number;
	name_turn_parse(name, &number, NULL);
	int rc = store_turn_stat(fs->store, thread_ref(thread), number, &info);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = strcmp(info.name, name) ? -EEXIST : -ESTALE;
	file_info_done(&info);
	return rc;
}

int file_make(struct fs *fs, struct thread *thread, const char *name, mode_t mode, bool exclusive,
	const struct fuse_ctx *ctx, struct node **ret)
{
	int rc = name_file_check(name);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	uint64_t mark = append_mark(thread);
	fs_unlock(fs);
	rc = file_number_free(fs, thread, name, "");
	if (rc < 0)
		return rc;
	uint64_t ino;
	rc = fs_ino_new(fs, &ino);
	if (rc < 0)
		return rc;
	if (exclusive) {
		rc = store_claim(fs->store, thread_ref(thread), name);
		if (rc < 0)
			return rc;
	}
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct node *node = node_file(fs, thread, name, ino);
	struct file *file = node ? file_get(fs, node) : NULL;
	if (!file) {
		fs_unlock(fs);
		if (exclusive)
			store_unclaim(fs->store, thread_ref(thread), name);
		return -ENOMEM;
	}
	file->draft = file->known = file->loaded = true;
	file_emptied(file);
	file->claimed = exclusive;
	file->made_ns = now;
	file->info = (struct file_info){
		.ino = ino,
		.mode = mode & 07777,
		.uid = ctx->uid,
		.gid = thread->mode & S_ISGID ? thread->gid : ctx->gid,
		.mtime_ns = now,
		.ctime_ns = now,
	};
	node_pin(node);
	bool appended = name_turn_parse(name, NULL, NULL) && append_settle(fs, thread, mark);
	fs_unlock(fs);
	rc = appended ? number_taken(fs, thread, name) : 0;
	if (rc < 0) {
		file_unmake(fs, node, false);
		fs_lock(fs);
		node_unpin(fs, node);
		fs_unlock(fs);
		return rc;
	}
	*ret = node;
	return 0;
}

void file_moved(struct fs *fs, struct node *node, struct thread *to, char *name)
{
	struct file *file = node->file;
	LL_DELETE(node->thread->files, file);
	LL_PREPEND(to->files, file);
	node_rename(fs, node, to, name);
}

int file_truncate(struct fs *fs, struct node *node, struct handle *handle, off_t size)
{
	if (size < 0 || (uint64_t)size > fs->options->max_file_size)
		return -EFBIG;
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct file *file = file_get(fs, node);
	if (!file) {
		fs_unlock(fs);
		return -ENOMEM;
	}
	file->users++;
	fs_unlock(fs);
	int rc = size ? file_load(fs, node) : 0;
	if (!rc && !size)
		rc = file_cut(fs, node);
	fs_lock(fs);
	if (!rc && size)
		rc = blob_resize(&file->content, (size_t)size);
	if (!rc) {
		file->info.size = (uint64_t)size;
		file->info.mtime_ns = file->info.ctime_ns = now;
		file->changes++;
		file->emptied = false;
		if (handle && !size && !handle->wrote)
			file_emptied(file);
	}
	fs_unlock(fs);
	if (!rc && !handle)
		rc = file_commit(fs, node, false);
	fs_lock(fs);
	file->users--;
	file_drop_if_idle(fs, file);
	fs_unlock(fs);
	return rc;
}

int file_cut(struct fs *fs, struct node *node)
{
	struct file_info info;
	fs_lock(fs);
	bool known = node->file->known;
	fs_unlock(fs);
	if (!known) {
		int rc = file_fetch(fs, node, NULL, &info);
		if (rc < 0)
			return rc;
	}
	int64_t now = fs_now_ns(fs);
	fs_lock(fs);
	struct file *file = node->file;
	if (!known && !file->known) {
		file->info = info;
		file->known = true;
		info.meta = NULL;
	}
	if (!known)
		file_info_done(&info);
	blob_unref(file->content);
	file->content = NULL;
	file->loaded = true;
	file_emptied(file);
	file->changes++;
	file->info.size = 0;
	file->info.mtime_ns = file->info.ctime_ns = now;
	fs_unlock(fs);
	return 0;
}
