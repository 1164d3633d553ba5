/* .turnfs: what the mount says about itself. */
#include "control.h"

#include "backup.h"

#include "health.h"
#include "ledger.h"

#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char readme[] =
	"This directory is turnfs's own. It does not show in listings; `ls .turnfs` works.\n"
	"\n"
	"  README.md  this text\n"
	"  health     ok, degraded or failed, and why, in sentences\n"
	"  metrics    numbers for Prometheus\n"
	"  config     the options in force\n"
	"  latest     the name of the thread that changed last\n"
	"  ledger.jsonl  a line for each thread that went: when, and why\n"
	"  why/ID     why a thread is not, or still, here; for any ID, not listed\n"
	"  expiring/  the threads that will expire soon, one line each\n"
	"  backup/    the threads that are there now, read-only, for backup programs: what\n"
	"             one has begun to read stays as it is until it is done\n"
	"  lost/      turns that a chat server has written over, read-only; only with layout=\n"
	"  expired/   the threads that have expired and are not erased yet, to read;\n"
	"             `mv .turnfs/expired/ID .` brings one back\n"
	"\n"
	"A directory beside this one is a thread; NNNNNN-role.md in it is a turn. In a thread:\n"
	"\n"
	"  echo hello > @user        adds a turn; @assistant, @system, @tool, @anything too\n"
	"  cat @transcript.md        the whole conversation; @transcript.jsonl as JSON lines\n"
	"  cat thread.json           title, times, ttl and the metadata of every turn\n"
	"  touch .                   gives the thread its full time to live again\n"
	"  setfattr -n user.turnfs.ttl -v 7d .\n"
	"                            sets its time to live (90m, 3h, 3600, never)\n"
	"  getfattr -n user.turnfs.expires .\n"
	"                            when it will expire\n";

static int text_readme(struct fs *fs, struct blob **ret)
{
	*ret = blob_new(readme, sizeof readme - 1);
	return *ret ? 0 : -ENOMEM;
}

static int text_config(struct fs *fs, struct blob **ret)
{
	const char *config = fs->options->config ? fs->options->config : "";
	*ret = blob_new(config, strlen(config));
	return *ret ? 0 : -ENOMEM;
}

int control_printed(struct blob **ret, const char *format, ...)
{
	char *text;
	va_list args;
	va_start(args, format);
	int size = vasprintf(&text, format, args);
	va_end(args);
	if (size < 0)
		return -ENOMEM;
	*ret = blob_adopt(text, (size_t)size);
	return *ret ? 0 : -ENOMEM;
}

/* The live thread that changed last, by a walk over all of them; 0: there is none. */
static int latest_search(struct fs *fs, uint64_t *ret_gen, int64_t *ret_mtime_ns)
{
	uint64_t after = 0, gen = 0;
	int64_t mtime_ns = INT64_MIN;
	for (bool more = true; more;) {
		struct thread_page page;
		int rc = store_thread_list(fs->store, THREAD_LIVE, after, 1000, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count; i++) {
			if (page.items[i].mtime_ns <= mtime_ns)
				continue;
			gen = page.items[i].gen;
			mtime_ns = page.items[i].mtime_ns;
		}
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].gen;
		thread_page_done(&page);
	}
	*ret_gen = gen;
	*ret_mtime_ns = mtime_ns;
	return 0;
}

/* What commits told us is enough until that thread itself goes, or its time is set back. */
static int text_latest(struct fs *fs, struct blob **ret)
{
	struct thread_info info;
	for (int i = 0; i < 2; i++) {
		fs_lock(fs);
		uint64_t gen = fs->latest.gen;
		int64_t mtime_ns = fs->latest.mtime_ns;
		fs_unlock(fs);
		if (gen && !store_thread_stat(fs->store, (struct thread_ref){"", gen}, &info) &&
			info.deadline_ms > store_now_ms(fs->store) && info.mtime_ns >= mtime_ns)
			return control_printed(ret, "%s\n", info.id);
		int rc = latest_search(fs, &gen, &mtime_ns);
		if (rc < 0)
			return rc;
		fs_lock(fs);
		fs->latest.gen = gen;
		fs->latest.mtime_ns = mtime_ns;
		fs_unlock(fs);
	}
	return control_printed(ret, "%s", "");
}

static const struct {
	const char *name;
	int (*text)(struct fs *fs, struct blob **ret);
} files[] = {
	{CONTROL_DIR, NULL},
	{"README.md", text_readme},
	{"health", health_text},
	{"metrics", metrics_text},
	{"config", text_config},
	{"latest", text_latest},
	{"ledger.jsonl", ledger_text},
};
enum { FILES = sizeof files / sizeof *files };

static struct node *control_make(struct fs *fs, enum node_kind kind, const char *name, size_t n)
{
	struct node *node = node_make(fs, kind, NULL, name, INO_CONTROL + 1 + n);
	fs->control[n] = node;
	return node;
}

int control_init(struct fs *fs)
{
	size_t n = 0;
	for (; n < FILES; n++)
		if (!control_make(fs, n ? NODE_CONTROL : NODE_CONTROL_DIR, files[n].name, n))
			return -ENOMEM;
	const struct view *view;
	for (size_t i = 0; (view = view_at(i)); i++, n++) {
		assert(n < sizeof fs->control / sizeof *fs->control);
		struct node *node = control_make(fs, NODE_VIEW, view->name, n);
		if (!node)
			return -ENOMEM;
		node->view = view;
		if (view == &view_backup) /* as the live root, and steady */
			node->ino = FUSE_ROOT_ID | INO_BACKUP;
	}
	return 0;
}

void control_done(struct fs *fs)
{
	for (size_t n = 0; n < sizeof fs->control / sizeof *fs->control && fs->control[n]; n++) {
		free(fs->control[n]->name);
		free(fs->control[n]);
	}
}

bool control_named(const char *name)
{
	return !strcmp(name, CONTROL_DIR);
}

struct node *control_find(struct fs *fs, const struct node *dir, const char *name)
{
	size_t from = dir->kind == NODE_ROOT ? 0 : 1;
	size_t to = dir->kind == NODE_ROOT ? 1 : sizeof fs->control / sizeof *fs->control;
	for (size_t n = from; n < to && fs->control[n]; n++) {
		if (strcmp(fs->control[n]->name, name))
			continue;
		fs_lock(fs);
		node_pin(fs->control[n]);
		fs_unlock(fs);
		return fs->control[n];
	}
	return NULL;
}

int control_list(struct fs *fs, struct view_list *ret)
{
	int rc = 0;
	for (size_t n = 1; n < sizeof fs->control / sizeof *fs->control && fs->control[n] && !rc;
		n++)
		rc = view_list_add(ret, fs->control[n]->name, fs->control[n]->ino,
			fs->control[n]->kind == NODE_VIEW);
	return rc;
}

int control_text(struct fs *fs, const struct node *node, struct blob **ret)
{
	if (node->kind == NODE_VIEW_FILE)
		return node->view->text(fs, node, ret);
	for (size_t i = 1; i < FILES; i++)
		if (fs->control[i] == node)
			return files[i].text(fs, ret);
	return -EISDIR;
}

int control_size(struct fs *fs, const struct node *node, uint64_t *ret)
{
	CLEAN_BLOB struct blob *text = NULL;
	if (node->kind == NODE_CONTROL_DIR || node->kind == NODE_VIEW ||
		node->kind == NODE_VIEW_DIR) {
		*ret = 0;
		return 0;
	}
	int rc = control_text(fs, node, &text);
	if (rc < 0)
		return rc;
	*ret = blob_size(text);
	return 0;
}
