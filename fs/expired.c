/*
 * .turnfs/expired: the threads in grace, read-only (T6, T7); a rename into the root restores one.
 *
 * A thread here is a struct thread of its own, with nodes of its own: who still holds the directory
 * from before the deadline holds another node, which stays dead. The kernel may keep nothing of it
 * (all timeouts are 0), so each name is asked for again after the thread has returned or is erased.
 */
#include "expired.h"

#include "control.h"
#include "entry.h"
#include "expiry.h"
#include "ledger.h"

#include "base/log.h"
#include "base/name.h"
#include "base/text.h"

#include <string.h>

enum {
	SHARED_FRESH_MS = 1000, /* how long names hold where others change the store too */
	IDLE_MS = 30000, /* how long they are kept when nobody asks */
};

void expired_changed(struct fs *fs)
{
	fs_lock(fs);
	fs->expired.changes++;
	fs_unlock(fs);
}

/* Makes `names` the ones that find() asks; takes them over. */
static void names_keep(
	struct fs *fs, struct expired_names *names, uint64_t changes, int64_t until_ms)
{
	fs_lock(fs);
	struct expired_names former = fs->expired.names;
	fs->expired.names = *names;
	fs->expired.known = true;
	fs->expired.names_changes = changes;
	fs->expired.until_ms = until_ms;
	fs_unlock(fs);
	expired_names_done(&former);
}

/* Asks the store; they hold until the next deadline, or until something is said to have changed. */
static int names_load(
	struct fs *fs, struct expired_names *ret, uint64_t *ret_changes, int64_t *ret_until_ms)
{
	int64_t now = store_now_ms(fs->store);
	fs_lock(fs);
	*ret_changes = fs->expired.changes;
	*ret_until_ms = atomic_load(&fs->deadlines_loaded) ? expiry_nearest_ms(fs) : now;
	fs_unlock(fs);
	if (fs->store->ops->shared && *ret_until_ms > now + SHARED_FRESH_MS)
		*ret_until_ms = now + SHARED_FRESH_MS;
	return expired_names_load(fs->store, ret);
}

static int names_refresh(struct fs *fs)
{
	struct expired_names names;
	uint64_t changes;
	int64_t until_ms;
	int rc = names_load(fs, &names, &changes, &until_ms);
	if (!rc)
		names_keep(fs, &names, changes, until_ms);
	return rc;
}

int expired_gen(struct fs *fs, const char *name, uint64_t *ret)
{
	int64_t now = store_now_ms(fs->store);
	fs_lock(fs);
	fs->expired.used_ms = now;
	bool fresh = fs->expired.known && fs->expired.names_changes == fs->expired.changes &&
		     now < fs->expired.until_ms;
	fs_unlock(fs);
	int rc = fresh ? 0 : names_refresh(fs);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	*ret = expired_names_find(&fs->expired.names, name);
	fs_unlock(fs);
	return 0;
}

void expired_tidy(struct fs *fs)
{
	struct expired_names idle = {0};
	fs_lock(fs);
	if (fs->expired.known && store_now_ms(fs->store) - fs->expired.used_ms > IDLE_MS) {
		idle = fs->expired.names;
		fs->expired.names = (struct expired_names){0};
		fs->expired.known = false;
	}
	fs_unlock(fs);
	expired_names_done(&idle);
}

void expired_done(struct fs *fs)
{
	expired_names_done(&fs->expired.names);
}

/* The thread in grace of that name. -ENOENT: also when it has returned, or is erased. */
static int info_find(struct fs *fs, const char *name, struct thread_info *ret)
{
	for (int i = 0; i < 2; i++) {
		uint64_t gen;
		int rc = expired_gen(fs, name, &gen);
		if (rc < 0)
			return rc;
		if (!gen)
			return -ENOENT;
		rc = store_thread_stat(fs->store, (struct thread_ref){"", gen}, ret);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (!rc && ret->deadline_ms <= store_now_ms(fs->store))
			return 0;
		expired_changed(fs); /* the names are not of now */
	}
	return -ENOENT;
}

static int expired_find(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	struct thread_info info;
	if (strlen(name) > STORE_NAME_MAX)
		return -ENAMETOOLONG;
	if (!fs->options->grace_ms)
		return -ENOENT; /* about to be erased: there is nothing to be had back */
	int rc = info_find(fs, name, &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	struct thread *thread = node_thread_get_in(fs, THREAD_VIEW_EXPIRED, &info);
	if (thread)
		node_pin(&thread->node);
	fs_unlock(fs);
	if (!thread)
		return -ENOMEM;
	*ret = &thread->node;
	return 0;
}

static int expired_list(struct fs *fs, const struct node *dir, struct view_list *ret)
{
	struct expired_names names;
	uint64_t changes;
	int64_t until_ms;
	if (!fs->options->grace_ms)
		return 0;
	int rc = names_load(fs, &names, &changes, &until_ms);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count && !rc; i++)
		rc = view_list_add(ret, names.items[i].name, names.items[i].gen, true);
	names_keep(fs, &names, changes, until_ms);
	return rc;
}

static void say_restored(const char *name, const struct thread_info *info)
{
	char time[TEXT_TIME_MAX];
	text_time_s(info->deadline_ms * 1000000, time);
	bool never = info->deadline_ms == STORE_DEADLINE_NEVER;
	log_notice("thread %s: restored from .turnfs/expired/%s with its %u turn%s; %s%s", info->id,
		name, info->turns, info->turns == 1 ? "" : "s",
		never ? "it does not expire" : "it expires at ", never ? "" : time);
}

/* The store has given it back: it and its nodes are live ones under the kernel's feet. */
static void restored(struct fs *fs, struct thread *thread, struct node *victim, const char *name,
	const struct thread_info *info, int64_t now_ns)
{
	char former[STORE_NAME_MAX + 1];
	fs_lock(fs);
	snprintf(former, sizeof former, "%s", thread->id->text);
	if (victim && victim != &thread->node)
		thread_kill(fs, (struct thread *)victim, false);
	thread_update(fs, thread, info);
	thread_becomes_live(fs, thread);
	fs->expired.changes++;
	fs_unlock(fs);
	expiry_add(fs, info->gen, info->deadline_ms);
	fs_root_touch(fs, now_ns);
	say_restored(name, info);
	ledger_entered(fs, LEDGER_RESTORED, former, info, info->id);
}

static int restore_over(struct fs *fs, struct node *node, struct node *victim, const char *name,
	const char *to, unsigned flags)
{
	struct thread *thread = (struct thread *)node;
	bool replace = !(flags & RENAME_NOREPLACE);
	struct thread_info info;
	if (victim && entry_has_drafts(fs, (struct thread *)victim))
		return replace ? -ENOTEMPTY : -EEXIST;
	int64_t now = fs_now_ns(fs);
	ledger_ready(fs);
	int rc = store_thread_rename(fs->store, thread_ref(thread), to, replace, now, &info);
	if (rc == -EIO || rc == -ENOSPC || !rc)
		fs_commit_ended(fs, rc);
	if (!rc)
		restored(fs, thread, victim, name, &info, now);
	return rc;
}

int expired_restore(struct fs *fs, const char *name, const char *to, unsigned flags)
{
	struct node *node = NULL, *victim = NULL;
	int rc = control_named(to) ? -EPERM : name_thread_check(to);
	if (!rc)
		rc = expired_find(fs, NULL, name, &node);
	if (rc < 0)
		return rc;
	rc = entry_find_thread(fs, to, &victim);
	if (!rc || rc == -ENOENT)
		rc = restore_over(fs, node, victim, name, to, flags);
	fs_lock(fs);
	node_unpin(fs, victim);
	node_unpin(fs, node);
	fs_unlock(fs);
	return rc;
}

const struct view view_expired = {
	.name = "expired",
	.threads = THREAD_VIEW_EXPIRED,
	.find = expired_find,
	.list = expired_list,
};
