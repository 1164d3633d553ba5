/* What writes and changes do to deadlines: renewed, shortened, back to life (T4, T5). */
#include "expiry.h"

#include "ledger.h"
#include "notify.h"

#include "base/log.h"

#include <string.h>

void expiry_changed(struct fs *fs, struct thread *thread, const struct thread_info *info)
{
	fs_lock(fs);
	bool sooner = info->deadline_ms < thread->deadline_ms;
	bool never = thread->deadline_ms == STORE_DEADLINE_NEVER;
	thread->shortened = thread->shortened || sooner;
	thread_update(fs, thread, info);
	fs_unlock(fs);
	if (sooner || never)
		expiry_add(fs, info->gen, info->deadline_ms);
}

/* What was written reached a thread that had expired: what has become of it. */
static void say_revived(struct fs *fs, const struct thread_info *info)
{
	if (info->deadline_ms <= store_now_ms(fs->store))
		log_notice("thread %s: it expired while a file of it was open, and its name is "
			   "taken since; what was written is in .turnfs/expired, with the rest",
			info->id);
	else
		log_notice("thread %s: what was written to a file that was open across its "
			   "deadline brought it back",
			info->id);
}

/* It may be in the root again, as a struct thread of its own: that one hears of the change too. */
static void tell_other_life(
	struct fs *fs, struct thread *thread, const struct thread_info *info, uint64_t ino)
{
	struct node *node = NULL;
	fs_lock(fs);
	struct thread *other = thread_by_gen(fs, info->gen);
	if (other == thread)
		other = NULL;
	if (other) {
		node_pin(&other->node);
		thread_update(fs, other, info);
		HASH_FIND(hh, fs->files, &ino, sizeof ino, node);
	}
	if (node)
		node_pin(node);
	fs_unlock(fs);
	if (node)
		notify_inode(fs, node, true);
	if (other)
		notify_inode(fs, &other->node, true);
	fs_lock(fs);
	node_unpin(fs, node);
	if (other)
		node_unpin(fs, &other->node);
	fs_unlock(fs);
}

void expiry_committed(
	struct fs *fs, struct thread *thread, const struct thread_info *info, uint64_t ino)
{
	fs_lock(fs);
	bool dead = thread->dead && thread->expired;
	bool lay_there = dead && thread->deadline_ms <= store_now_ms(fs->store);
	bool back = lay_there && info->deadline_ms > store_now_ms(fs->store);
	struct thread *shown = back ? thread_by_gen_in(fs, THREAD_VIEW_EXPIRED, info->gen) : NULL;
	if (shown)
		thread_kill(fs, shown, true);
	thread_update(fs, thread, info);
	fs->expired.changes += lay_there;
	fs_unlock(fs);
	if (lay_there)
		say_revived(fs, info);
	if (back) {
		ledger_entered(fs, LEDGER_RESTORED, info->id, info, info->id);
		expiry_add(fs, info->gen, info->deadline_ms);
		fs_root_touch(fs, fs_now_ns(fs));
	}
	if (dead && !fs->ending)
		tell_other_life(fs, thread, info, ino);
	if (back && !fs->ending)
		notify_inode(fs, &fs->root, true);
}

void expiry_refused(struct fs *fs, struct thread *thread, int rc, const char *what)
{
	fs_lock(fs);
	bool expired = thread->dead ? thread->expired : !thread_alive(fs, thread);
	fs_unlock(fs);
	if (rc == -ENOENT && expired)
		log_error("thread %s: has expired and is erased; what was written to %s is lost",
			thread->id->text, what);
}
