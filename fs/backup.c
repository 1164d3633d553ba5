/* .turnfs/backup: names, attributes and texts, all from copies of threads. */
#include "backup.h"

#include "attr.h"
#include "backup_copy.h"
#include "control.h"
#include "dir.h"
#include "expired.h"

#include "base/json.h"
#include "base/name.h"

#include <string.h>

struct node *backup_root(struct fs *fs)
{
	size_t n = 0;
	while (fs->control[n]->view != &view_backup)
		n++;
	return fs->control[n];
}

/* Live, else in grace: what was listed and expires under a tool's feet is still found. */
static int info_find(struct fs *fs, const char *name, struct thread_info *ret)
{
	uint64_t gen;
	int rc = store_thread_find(fs->store, name, ret);
	if (rc != -ENOENT)
		return rc;
	rc = expired_gen(fs, name, &gen);
	if (rc < 0 || !gen)
		return rc < 0 ? rc : -ENOENT;
	return store_thread_stat(fs->store, (struct thread_ref){"", gen}, ret);
}

static int backup_find(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	struct thread_info info;
	if (strlen(name) > STORE_NAME_MAX)
		return -ENAMETOOLONG;
	if (name_thread_check(name) < 0)
		return -ENOENT;
	int rc = info_find(fs, name, &info);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	fs_lock(fs);
	struct thread *thread = rc ? backup_copy_named(fs, name)
				   : node_thread_get_in(fs, THREAD_VIEW_BACKUP, &info);
	if (thread)
		node_pin(&thread->node);
	fs_unlock(fs);
	if (!thread)
		return rc ? rc : -ENOMEM;
	*ret = &thread->node;
	return 0;
}

int backup_asked(struct fs *fs, struct node *node, pid_t asker, bool opens)
{
	if (node->kind != NODE_THREAD || !backup_has(node))
		return 0;
	return backup_copy_ask(fs, (struct thread *)node, asker, opens);
}

int backup_find_file(struct fs *fs, struct thread *thread, const char *name, struct node **ret)
{
	struct backup_copy *copy;
	int rc = backup_copy_lock(fs, thread, &copy);
	if (rc < 0)
		return rc;
	const struct backup_file *file = backup_copy_file(copy, name);
	struct node *node = file ? node_file(fs, thread, name, file->ino) : NULL;
	if (file && !node)
		rc = -ENOMEM;
	else if (!file)
		rc = -ENOENT;
	if (node && strcmp(node->name, name)) { /* it had another one in an earlier copy */
		char *now = strdup(name);
		if (now)
			node_rename(fs, node, thread, now);
		else
			rc = -ENOMEM;
	}
	if (!rc) {
		node_pin(node);
		*ret = node;
	}
	fs_unlock(fs);
	return rc;
}

/* The file a node stands for, in the copy of now; NULL: it is in it no more. fs->lock held. */
static struct backup_file *file_of(const struct backup_copy *copy, const struct node *node)
{
	struct backup_file *file = backup_copy_file(copy, node->name);
	return file && file->ino == node->ino ? file : NULL;
}

/* As long as somebody has the view's root open its times stand still. */
static void root_attr(struct fs *fs, struct node *node, struct stat *ret)
{
	struct stat now;
	attr_root(fs, &now);
	fs_lock(fs);
	if (!fs->backup.root.st_ino || !dir_is_open(fs, node)) {
		fs->backup.root = now;
		fs->backup.root.st_ino = node->ino;
	}
	*ret = fs->backup.root;
	fs_unlock(fs);
}

int backup_attr(struct fs *fs, struct node *node, struct stat *ret)
{
	struct backup_copy *copy;
	if (node->kind == NODE_VIEW) {
		root_attr(fs, node, ret);
		return 0;
	}
	struct thread *thread = node_thread(node);
	int rc = backup_copy_lock(fs, thread, &copy);
	if (rc < 0)
		return rc;
	const struct thread_info info = copy->info;
	const struct backup_file *file = node->kind == NODE_THREAD ? NULL : file_of(copy, node);
	struct file_info shown = {0};
	if (file)
		shown = (struct file_info){
			.ino = file->ino,
			.size = file->size,
			.mode = file->mode,
			.uid = file->uid,
			.gid = file->gid,
			.mtime_ns = file->mtime_ns,
			.ctime_ns = file->ctime_ns,
		};
	fs_unlock(fs);
	if (node->kind == NODE_THREAD)
		attr_thread(fs, &info, ret);
	else if (file)
		attr_file(fs, &shown, ret);
	else
		return -ENOENT;
	ret->st_ino |= INO_BACKUP;
	return 0;
}

int backup_text(struct fs *fs, struct node *node, struct blob **ret)
{
	char name[STORE_NAME_MAX + 1];
	fs_lock(fs);
	snprintf(name, sizeof name, "%s", node->name);
	fs_unlock(fs);
	return backup_copy_text(fs, node->thread, name, ret);
}

int backup_meta(struct fs *fs, struct node *node, json_t **ret)
{
	struct backup_copy *copy;
	int rc = backup_copy_lock(fs, node_thread(node), &copy);
	if (rc < 0)
		return rc;
	const struct backup_file *file = node->kind == NODE_THREAD ? NULL : file_of(copy, node);
	CLEAN_BLOB struct blob *text = NULL;
	if (node->kind == NODE_THREAD)
		text = blob_ref(copy->own);
	else if (file)
		text = blob_ref(file->meta);
	fs_unlock(fs);
	json_begin();
	json_t *meta = text ? json_parse(blob_data(text), blob_size(text)) : json_object();
	if (!json_is_object(meta)) {
		json_decref(meta);
		return json_ran_out() ? -ENOMEM : -EIO;
	}
	*ret = meta;
	return 0;
}

int backup_each(struct fs *fs, struct thread *thread,
	int (*add)(void *arg, const char *name, uint64_t ino), void *arg)
{
	struct backup_copy *copy;
	int rc = backup_copy_lock(fs, thread, &copy);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < copy->count && !rc; i++)
		rc = add(arg, copy->files[i].name, copy->files[i].ino | INO_BACKUP);
	fs_unlock(fs);
	return rc;
}

const struct view view_backup = {
	.name = "backup",
	.threads = THREAD_VIEW_BACKUP,
	.find = backup_find,
};
