/* RENAME: which of its kinds it is; and that of threads (W11). */
#include "entry.h"

#include "control.h"
#include "ledger.h"
#include "renaming.h"

#include "base/log.h"
#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int rename_found(struct renaming *r, unsigned flags)
{
	if (r->victim && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (r->node->kind == NODE_DOC)
		return rename_doc_away(r);
	if (!strcmp(r->new_name, ENTRY_DOC))
		return rename_over_doc(r);
	return rename_file(r);
}

static int rename_in_threads(struct fs *fs, struct thread *from, const char *name,
	struct thread *to, const char *new_name, unsigned flags)
{
	struct renaming r = {.fs = fs,
		.from = from,
		.to = to,
		.name = name,
		.new_name = new_name,
		.across = from != to};
	int rc = name_file_check(new_name);
	if (!rc)
		rc = entry_find(fs, from, name, &r.node);
	if (rc < 0)
		return rc;
	rc = entry_find(fs, to, new_name, &r.victim);
	if (!rc || rc == -ENOENT)
		rc = r.node == r.victim ? 0 : rename_found(&r, flags);
	fs_lock(fs);
	node_unpin(fs, r.node);
	node_unpin(fs, r.victim);
	fs_unlock(fs);
	return rc;
}

static int rename_thread(struct fs *fs, const char *name, const char *to, unsigned flags)
{
	struct node *node = NULL, *victim = NULL;
	if (control_named(name) || control_named(to))
		return -EPERM;
	int rc = name_thread_check(to);
	if (!rc)
		rc = entry_find_thread(fs, name, &node);
	if (rc < 0)
		return rc;
	rc = entry_find_thread(fs, to, &victim);
	if (rc == -ENOENT)
		rc = 0;
	struct thread_info info, replaced = {0};
	int64_t now = fs_now_ns(fs);
	if (!rc && victim && entry_has_drafts(fs, (struct thread *)victim))
		rc = flags & RENAME_NOREPLACE ? -EEXIST : -ENOTEMPTY;
	if (!rc)
		ledger_ready(fs);
	if (!rc)
		rc = store_thread_rename(fs->store, thread_ref((struct thread *)node), to,
			!(flags & RENAME_NOREPLACE), now, &info);
	fs_lock(fs);
	if (!rc) {
		if (victim && victim != node) {
			replaced.gen = ((struct thread *)victim)->gen;
			replaced.ttl_ms = ((struct thread *)victim)->ttl_ms;
			replaced.deadline_ms = ((struct thread *)victim)->deadline_ms;
			thread_kill(fs, (struct thread *)victim, false);
		}
		thread_update(fs, (struct thread *)node, &info);
	}
	node_unpin(fs, node);
	node_unpin(fs, victim);
	fs_unlock(fs);
	if (rc < 0)
		return rc;
	fs_root_touch(fs, now);
	if (!replaced.gen && !strcmp(name, to))
		return 0;
	if (replaced.gen)
		ledger_entered(fs, LEDGER_DELETED, to, &replaced, LEDGER_REPLACED);
	ledger_entered(fs, LEDGER_RENAMED, name, &info, to);
	return 0;
}

void entry_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to_parent,
	const char *to, unsigned flags)
{
	struct fs *fs = fs_of(req);
	struct node *from_dir = node_of(fs, parent), *to_dir = node_of(fs, to_parent);
	struct thread *from_thread, *to_thread;
	int rc = flags & ~(unsigned)RENAME_NOREPLACE ? -EINVAL : 0;
	if (!rc && from_dir->kind == NODE_ROOT && to_dir->kind == NODE_ROOT) {
		fs_reply(req, rename_thread(fs, name, to, flags));
		return;
	}
	if (!rc && (from_dir->kind != NODE_THREAD || to_dir->kind != NODE_THREAD))
		rc = -EPERM;
	if (!rc && (name[0] == '@' || to[0] == '@'))
		rc = -EPERM;
	if (!rc)
		rc = fs_thread_of(fs, parent, &from_thread);
	if (!rc)
		rc = fs_thread_of(fs, to_parent, &to_thread);
	if (!rc)
		rc = rename_in_threads(fs, from_thread, name, to_thread, to, flags);
	fs_reply(req, rc);
}
