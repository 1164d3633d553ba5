/* Copies of threads for .turnfs/backup: taking them, keeping what changes, letting them go. */
#include "backup_copy.h"

#include "backup.h"
#include "dir.h"
#include "doc.h"
#include "entry.h"
#include "notify.h"
#include "work.h"

#include "base/json.h"
#include "base/log.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

enum { PAGE = 512, TRIES = 4 };

static void file_done(struct backup_file *file)
{
	free(file->name);
	blob_unref(file->meta);
	blob_unref(file->content);
}

/* One that is in no list. */
static void copy_free(struct backup_copy *copy)
{
	if (!copy)
		return;
	for (size_t i = 0; i < copy->count; i++)
		file_done(&copy->files[i]);
	free(copy->files);
	blob_unref(copy->own);
	free(copy);
}

/* fs->lock held. Returns what is to be freed, or NULL. */
static struct backup_copy *copy_detach(struct fs *fs, struct thread *thread)
{
	struct backup_copy *copy = thread->copy;
	if (!copy)
		return NULL;
	DL_DELETE(fs->backup.copies, copy);
	fs->backup.bytes -= copy->bytes;
	for (size_t i = 0; i + 1 < copy->count; i++)
		fs->backup.kept -= blob_size(copy->files[i].content);
	thread->copy = NULL;
	return copy;
}

void backup_copy_free(struct fs *fs, struct thread *thread)
{
	copy_free(copy_detach(fs, thread));
}

static struct backup_file *file_add(struct backup_copy *copy, const char *name)
{
	if (!(copy->count & (copy->count - 1))) {
		size_t capacity = copy->count ? 2 * copy->count : 1;
		struct backup_file *files = realloc(copy->files, capacity * sizeof *files);
		if (!files)
			return NULL;
		copy->files = files;
	}
	struct backup_file *file = &copy->files[copy->count];
	*file = (struct backup_file){.name = strdup(name)};
	if (!file->name)
		return NULL;
	copy->count++;
	copy->bytes += 2 * sizeof *file + strlen(name);
	return file;
}

static int page_add(struct backup_copy *copy, const struct file_page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		const struct file_info *info = &page->items[i];
		struct backup_file *file = file_add(copy, info->name);
		if (!file)
			return -ENOMEM;
		file->ino = info->ino;
		file->revision = info->revision;
		file->size = info->size;
		file->mode = info->mode;
		file->uid = info->uid;
		file->gid = info->gid;
		file->mtime_ns = info->mtime_ns;
		file->ctime_ns = info->ctime_ns;
		file->meta = blob_ref(info->meta);
		copy->bytes += blob_size(file->meta);
	}
	return 0;
}

static int files_read(struct fs *fs, struct backup_copy *copy, struct thread_ref ref)
{
	char after[STORE_NAME_MAX + 1] = "";
	for (bool more = true; more;) {
		struct file_page page;
		int rc = store_file_list(fs->store, ref, after, PAGE, false, &page);
		if (rc < 0)
			return rc;
		rc = page_add(copy, &page);
		more = page.more && page.count;
		if (page.count)
			snprintf(after, sizeof after, "%s", page.items[page.count - 1].name);
		file_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* thread.json, and the thread's own keys for those who read attributes. */
static int doc_read(struct fs *fs, struct backup_copy *copy, struct thread *thread)
{
	struct doc_edit edit;
	struct blob *text;
	int rc = doc_text(fs, thread, &text);
	if (rc < 0)
		return rc;
	struct backup_file *file = file_add(copy, ENTRY_DOC);
	if (!file) {
		blob_unref(text);
		return -ENOMEM;
	}
	file->ino = ino_of_doc(copy->info.doc.ino);
	file->size = blob_size(text);
	file->mode = copy->info.doc.mode;
	file->uid = copy->info.doc.uid;
	file->gid = copy->info.doc.gid;
	file->mtime_ns = copy->info.doc.mtime_ns;
	file->ctime_ns = copy->info.doc.ctime_ns;
	file->content = text;
	file->kept = true;
	rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	copy->own = json_text(doc_own(&edit), 0);
	doc_edit_done(&edit);
	copy->bytes += file->size + blob_size(copy->own);
	return copy->own ? 0 : -ENOMEM;
}

static int copy_read(struct fs *fs, struct thread *thread, struct backup_copy **ret)
{
	struct backup_copy *copy = calloc(1, sizeof *copy);
	if (!copy)
		return -ENOMEM;
	copy->bytes = sizeof *copy;
	int rc = store_thread_stat(fs->store, thread_ref(thread), &copy->info);
	if (!rc)
		rc = files_read(fs, copy, thread_ref(thread));
	if (!rc)
		rc = doc_read(fs, copy, thread);
	if (rc < 0)
		copy_free(copy);
	else
		*ret = copy;
	return rc;
}

/* Changes of ours wait meanwhile; those of others show in the thread's revision. */
static int copy_build(struct fs *fs, struct thread *thread, struct backup_copy **ret)
{
	int rc = -EIO;
	for (int i = 0; i < TRIES; i++) {
		struct thread_info info;
		rc = copy_read(fs, thread, ret);
		if (rc < 0 || !fs->store->ops->shared)
			return rc;
		rc = store_thread_stat(fs->store, thread_ref(thread), &info);
		if (rc < 0 || info.revision == (*ret)->info.revision || i + 1 == TRIES)
			return 0;
		copy_free(*ret);
	}
	return rc;
}

static bool change_under_way(struct fs *fs, uint64_t gen)
{
	const struct backup_change *change;
	DL_FOREACH(fs->backup.changes, change)
	if (change->gens[0] == gen || change->gens[1] == gen)
		return true;
	return false;
}

/* A copy of now, in place of the one it has. Takes fs->lock itself. */
static int copy_take(struct fs *fs, struct thread *thread, pid_t asker)
{
	struct backup_copy *copy = NULL, *former = NULL;
	fs_lock(fs);
	if (thread->copying) { /* somebody else's will do */
		while (thread->copying)
			pthread_cond_wait(&fs->backup.moved, &fs->lock);
		if (thread->copy) {
			fs_unlock(fs);
			return 0;
		}
	}
	thread->copying = true; /* from here on changes wait */
	while (change_under_way(fs, thread->gen))
		pthread_cond_wait(&fs->backup.moved, &fs->lock);
	fs_unlock(fs);
	int rc = copy_build(fs, thread, &copy);
	int64_t now = metric_now_ns() / 1000000;
	fs_lock(fs);
	if (!rc) {
		former = copy_detach(fs, thread);
		copy->thread = thread;
		copy->asker = asker;
		copy->used_ms = now;
		thread->copy = copy;
		fs->backup.bytes += copy->bytes;
		DL_APPEND(fs->backup.copies, copy);
	}
	thread->copying = false;
	pthread_cond_broadcast(&fs->backup.moved);
	fs_unlock(fs);
	copy_free(former);
	return rc;
}

/* fs->lock held. */
static void copy_used(struct fs *fs, struct backup_copy *copy, int64_t now)
{
	copy->used_ms = now;
	DL_DELETE(fs->backup.copies, copy);
	DL_APPEND(fs->backup.copies, copy);
}

/* Whether any descriptor is open on the thread or on a file of it. fs->lock held. */
static bool is_open(struct fs *fs, struct thread *thread)
{
	const struct handle *handle;
	DL_FOREACH(fs->handles, handle)
	if (handle->node->thread == thread)
		return true;
	return dir_is_open(fs, &thread->node);
}

/* Whether two threads are of one process that is still there. */
static bool same_process(pid_t a, pid_t b)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/task/%d", (int)a, (int)b);
	return a && (a == b || !access(path, F_OK));
}

/* Whether nobody minds a newer copy. fs->lock held. */
static bool may_renew(
	struct fs *fs, const struct backup_copy *copy, pid_t asker, bool opens, int64_t now)
{
	if (is_open(fs, copy->thread))
		return false;
	return now - copy->used_ms >= (opens ? BACKUP_PAUSE_MS : BACKUP_IDLE_MS) ||
	       !same_process(copy->asker, asker);
}

int backup_copy_ask(struct fs *fs, struct thread *thread, pid_t asker, bool opens)
{
	struct thread_info info;
	int64_t now = metric_now_ns() / 1000000;
	int rc = store_thread_stat(fs->store, thread_ref(thread), &info);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	fs_lock(fs);
	struct backup_copy *copy = thread->copy;
	bool take = !copy;
	if (copy && !rc && info.revision == copy->info.revision)
		copy->asker = asker;
	else if (copy && !rc)
		take = may_renew(fs, copy, asker, opens, now);
	if (copy)
		copy_used(fs, copy, now);
	fs_unlock(fs);
	return take ? copy_take(fs, thread, asker) : 0;
}

int backup_copy_lock(struct fs *fs, struct thread *thread, struct backup_copy **ret)
{
	int64_t now = metric_now_ns() / 1000000;
	for (;;) {
		fs_lock(fs);
		if (thread->copy) {
			copy_used(fs, thread->copy, now);
			*ret = thread->copy;
			return 0;
		}
		fs_unlock(fs);
		int rc = copy_take(fs, thread, 0);
		if (rc < 0)
			return rc;
	}
}

static int file_compare(const void *name, const void *file)
{
	return strcmp(name, ((const struct backup_file *)file)->name);
}

struct backup_file *backup_copy_file(const struct backup_copy *copy, const char *name)
{
	if (!strcmp(name, ENTRY_DOC))
		return &copy->files[copy->count - 1];
	return bsearch(name, copy->files, copy->count - 1, sizeof *copy->files, file_compare);
}

struct thread *backup_copy_named(struct fs *fs, const char *id)
{
	struct backup_copy *copy;
	DL_FOREACH(fs->backup.copies, copy)
	if (!strcmp(copy->info.id, id))
		return copy->thread;
	return NULL;
}

/* The store has another version and none was kept: what is there now shows as it is. */
static int text_now(struct backup_file *file, const struct file_info *info)
{
	if (file->ino != info->ino)
		return -ENOENT;
	file->revision = info->revision;
	file->size = info->size;
	file->mtime_ns = info->mtime_ns;
	file->ctime_ns = info->ctime_ns;
	return 0;
}

int backup_copy_text(struct fs *fs, struct thread *thread, const char *name, struct blob **ret)
{
	struct backup_copy *copy;
	struct backup_file *file;
	struct blob *text = NULL;
	struct file_info info = {0};
	int rc = backup_copy_lock(fs, thread, &copy);
	if (rc < 0)
		return rc;
	file = backup_copy_file(copy, name);
	bool stored = file && !file->kept;
	fs_unlock(fs);
	int read = stored ? store_file_read(fs->store, thread_ref(thread), name, &text, &info) : 0;
	rc = backup_copy_lock(fs, thread, &copy);
	if (rc < 0)
		goto out;
	file = backup_copy_file(copy, name);
	if (!file) {
		rc = -ENOENT;
	} else if (file->kept) {
		blob_unref(text);
		text = blob_ref(file->content);
	} else if (read < 0) {
		rc = read;
	} else if (!stored) {
		rc = -ESTALE; /* the copy is another one by now: the kernel asks again */
	} else if (file->revision != info.revision) {
		rc = text_now(file, &info);
	}
	fs_unlock(fs);
out:
	file_info_done(&info);
	if (rc < 0)
		blob_unref(text);
	else
		*ret = text;
	return rc;
}

/* The content was read for a copy that may be another one, or gone, by now. fs->lock held. */
static void keep_put(struct fs *fs, struct thread *thread, const char *name, struct blob *text,
	uint64_t revision)
{
	struct backup_file *file = thread->copy ? backup_copy_file(thread->copy, name) : NULL;
	if (!file || file->kept || file->revision != revision)
		return;
	file->content = blob_ref(text);
	file->kept = true;
	fs->backup.kept += blob_size(text);
}

/* Keeps one content. fs->lock held, and let go meanwhile; the thread is pinned. */
static void keep(struct fs *fs, struct thread *thread, struct backup_file *file)
{
	char name[STORE_NAME_MAX + 1];
	snprintf(name, sizeof name, "%s", file->name);
	if (fs->backup.kept + file->size > BACKUP_KEPT_MAX) {
		file->revision = 0; /* it shows as it is then */
		file->kept = false;
		bool said = fs->backup.said_full;
		fs->backup.said_full = true;
		if (!said)
			log_warning("thread %s: .turnfs/backup cannot keep %s as it was: too much "
				    "changes under a backup",
				thread->id->text, name);
		return;
	}
	struct thread_ref ref = thread_ref(thread);
	struct blob *text = NULL;
	struct file_info info = {0};
	fs_unlock(fs);
	int rc = store_file_read(fs->store, ref, name, &text, &info);
	fs_lock(fs);
	if (!rc)
		keep_put(fs, thread, name, text, info.revision);
	blob_unref(text);
	file_info_done(&info);
	if (!thread->copy)
		return;
	file = backup_copy_file(thread->copy, name);
	if (file && !file->kept && (rc < 0 || file->revision != info.revision))
		file->revision = 0; /* damaged, or changed by others: not again */
}

static bool to_keep(const struct backup_file *file)
{
	return file && !file->kept && file->revision;
}

/* Whether everything of `names` that a copy covers is kept; else keeps one. fs->lock held. */
static bool kept_all(
	struct fs *fs, const uint64_t gens[2], const char *const (*names)[2], size_t count)
{
	for (int i = 0; i < 2; i++) {
		struct thread *thread =
			gens[i] ? thread_by_gen_in(fs, THREAD_VIEW_BACKUP, gens[i]) : NULL;
		if (!thread || !thread->copy)
			continue;
		for (size_t n = 0; n < count; n++) {
			struct backup_file *file = NULL;
			if (names[n][i])
				file = backup_copy_file(thread->copy, names[n][i]);
			if (!to_keep(file))
				continue;
			node_pin(&thread->node);
			keep(fs, thread, file);
			node_unpin(fs, &thread->node);
			return false;
		}
	}
	return true;
}

static bool copying(struct fs *fs, const uint64_t gens[2])
{
	for (int i = 0; i < 2; i++) {
		const struct thread *thread =
			gens[i] ? thread_by_gen_in(fs, THREAD_VIEW_BACKUP, gens[i]) : NULL;
		if (thread && thread->copying)
			return true;
	}
	return false;
}

void backup_change_begin(struct fs *fs, struct backup_change *change, const uint64_t gens[2],
	const char *const (*names)[2], size_t count)
{
	*change = (struct backup_change){.gens = {gens[0], gens[1]}};
	fs_lock(fs);
	for (;;) {
		while (copying(fs, gens))
			pthread_cond_wait(&fs->backup.moved, &fs->lock);
		if (!fs->backup.copies || kept_all(fs, gens, names, count))
			break;
	}
	change->number = ++fs->backup.numbers;
	DL_APPEND(fs->backup.changes, change);
	fs_unlock(fs);
}

void backup_change_settle(struct fs *fs, uint64_t gen)
{
	fs_lock(fs);
	uint64_t last = fs->backup.numbers;
	for (bool waiting = true; waiting;) {
		const struct backup_change *change;
		waiting = false;
		DL_FOREACH(fs->backup.changes, change)
		waiting = waiting || (change->number <= last &&
					     (change->gens[0] == gen || change->gens[1] == gen));
		if (waiting)
			pthread_cond_wait(&fs->backup.moved, &fs->lock);
	}
	fs_unlock(fs);
}

void backup_change_end(struct fs *fs, struct backup_change *change)
{
	fs_lock(fs);
	DL_DELETE(fs->backup.changes, change);
	pthread_cond_broadcast(&fs->backup.moved);
	fs_unlock(fs);
}

/* The next file of a copy of what may be erased now. fs->lock held. */
static struct backup_file *next_expired(struct fs *fs, int64_t before_ms, struct thread **ret)
{
	struct backup_copy *copy;
	DL_FOREACH(fs->backup.copies, copy)
	{
		if (copy->whole || copy->info.deadline_ms > before_ms)
			continue;
		for (size_t i = 0; i < copy->count; i++)
			if (to_keep(&copy->files[i])) {
				*ret = copy->thread;
				return &copy->files[i];
			}
		copy->whole = true;
	}
	return NULL;
}

void backup_keep_expired(struct fs *fs, int64_t grace_ms)
{
	int64_t before_ms = store_now_ms(fs->store) - grace_ms;
	struct thread *thread;
	struct backup_file *file;
	fs_lock(fs);
	while ((file = next_expired(fs, before_ms, &thread))) {
		node_pin(&thread->node);
		keep(fs, thread, file);
		node_unpin(fs, &thread->node);
	}
	fs_unlock(fs);
}

/* The copy that is idle longest and may go: its name, and the node stays pinned. */
static struct thread *idle_longest(struct fs *fs, int64_t now, char id[STORE_NAME_MAX + 1])
{
	struct thread *found = NULL;
	struct backup_copy *copy;
	fs_lock(fs);
	bool too_many = fs->backup.bytes + fs->backup.kept > BACKUP_COPIES_MAX;
	DL_FOREACH(fs->backup.copies, copy)
	{
		if (!too_many || now - copy->used_ms < BACKUP_PAUSE_MS)
			break;
		if (is_open(fs, copy->thread))
			continue;
		found = copy->thread;
		snprintf(id, STORE_NAME_MAX + 1, "%s", copy->info.id);
		node_pin(&found->node);
		backup_copy_free(fs, found);
		break;
	}
	fs_unlock(fs);
	return found;
}

static void tidy_run(struct fs *fs, struct work *work)
{
	char id[STORE_NAME_MAX + 1];
	struct thread *thread;
	free(work);
	while (!fs->ending && (thread = idle_longest(fs, metric_now_ns() / 1000000, id))) {
		notify_entry(fs, backup_root(fs), id); /* the kernel forgets what is in it too */
		fs_lock(fs);
		node_unpin(fs, &thread->node);
		fs_unlock(fs);
	}
#ifdef __GLIBC__
	malloc_trim(0); /* freed pieces lie scattered */
#endif
	atomic_store(&fs->backup.tidying, false);
}

void backup_copy_tidy(struct fs *fs)
{
	fs_lock(fs);
	bool too_many = fs->backup.bytes + fs->backup.kept > BACKUP_COPIES_MAX;
	fs_unlock(fs);
	if (!too_many || atomic_exchange(&fs->backup.tidying, true))
		return;
	struct work *work = calloc(1, sizeof *work);
	if (!work) {
		atomic_store(&fs->backup.tidying, false);
		return;
	}
	work->run = tidy_run;
	work_submit(fs, work);
}
