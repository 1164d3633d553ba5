/* Requests that change names, run in a pool of their own. */
#include "later.h"

#include "entry.h"
#include "interrupt.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

struct later {
	struct work work;
	void (*run)(const struct later *later);
	fuse_req_t req;
	fuse_ino_t parent, to_parent;
	const char *to;
	mode_t mode;
	unsigned flags;
	char name[]; /* then that of `to`, if there is one */
};

static void later_run(struct fs *fs, struct work *work)
{
	struct later *later = (struct later *)work;
	interrupt_begin(later->req);
	later->run(later);
	interrupt_end();
	free(later);
}

/* The request is replied to when `run` has run, or at once for lack of memory. */
static void later_submit(const struct later *what, const char *name, const char *to)
{
	size_t size = strlen(name) + 1, to_size = strlen(to) + 1;
	struct later *later = malloc(sizeof *later + size + to_size);
	if (!later) {
		fs_reply(what->req, -ENOMEM);
		return;
	}
	*later = *what;
	later->work.run = later_run;
	memcpy(later->name, name, size);
	later->to = memcpy(later->name + size, to, to_size);
	work_submit_names(fs_of(what->req), &later->work);
}

static void run_mknod(const struct later *l)
{
	entry_mknod(l->req, l->parent, l->name, l->mode, 0);
}

void later_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct later later = {.run = run_mknod, .req = req, .parent = parent, .mode = mode};
	later_submit(&later, name, "");
}

static void run_mkdir(const struct later *l)
{
	entry_mkdir(l->req, l->parent, l->name, l->mode);
}

void later_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct later later = {.run = run_mkdir, .req = req, .parent = parent, .mode = mode};
	later_submit(&later, name, "");
}

static void run_unlink(const struct later *l)
{
	entry_unlink(l->req, l->parent, l->name);
}

void later_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct later later = {.run = run_unlink, .req = req, .parent = parent};
	later_submit(&later, name, "");
}

static void run_rmdir(const struct later *l)
{
	entry_rmdir(l->req, l->parent, l->name);
}

void later_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct later later = {.run = run_rmdir, .req = req, .parent = parent};
	later_submit(&later, name, "");
}

static void run_rename(const struct later *l)
{
	entry_rename(l->req, l->parent, l->name, l->to_parent, l->to, l->flags);
}

void later_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags)
{
	struct later later = {.run = run_rename,
		.req = req,
		.parent = parent,
		.to_parent = to_parent,
		.flags = flags};
	later_submit(&later, name, to);
}
