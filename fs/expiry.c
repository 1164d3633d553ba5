/* Deadlines: a thread that tells the kernel, at the instant, what has gone. */
#include "expiry.h"

#include "announce.h"
#include "backup_copy.h"
#include "entry.h"
#include "expired.h"
#include "file.h"
#include "forget.h"
#include "ledger.h"
#include "notify.h"
#include "purge.h"
#include "remote.h"
#include "warning.h"
#include "work.h"

#include "base/log.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

enum { TICK_MS = 1000 }; /* at least so often: a clock that stepped, what is to be purged */

int64_t expiry_nearest_ms(const struct fs *fs)
{
	return deadlines_nearest_ms(&fs->deadlines);
}

void expiry_wake(struct fs *fs)
{
	uint64_t one = 1;
	if (write(fs->expiry_event, &one, sizeof one) < 0)
		log_debug("the expiry thread could not be woken");
}

void expiry_push(struct fs *fs, uint64_t gen, int64_t deadline_ms)
{
	if (deadline_ms == STORE_DEADLINE_NEVER)
		return;
	deadlines_push(&fs->deadlines, deadline_ms, gen);
	warning_add(fs, gen, deadline_ms);
}

void expiry_add(struct fs *fs, uint64_t gen, int64_t deadline_ms)
{
	fs_lock(fs);
	bool nearest = deadline_ms < expiry_nearest_ms(fs);
	expiry_push(fs, gen, deadline_ms);
	fs_unlock(fs);
	if (nearest)
		expiry_wake(fs);
}

/* T5: who has a file open reads it until it is closed, though the store may erase it. */
static void keep_open_files(struct fs *fs, struct thread *thread)
{
	for (;;) {
		struct node *node = NULL;
		struct file *file;
		fs_lock(fs);
		LL_FOREACH(thread->files, file)
		{
			if (!file->handles || file->loaded || file->kept)
				continue;
			file->kept = true;
			node = file->node;
			node_pin(node);
			break;
		}
		fs_unlock(fs);
		if (!node)
			return;
		int rc = file_load(fs, node);
		if (rc < 0)
			log_warning("thread %s: %s, open across the deadline, cannot be kept: "
				    "error %d",
				thread->id->text, node->name, -rc);
		fs_lock(fs);
		node_unpin(fs, node);
		fs_unlock(fs);
	}
}

struct keeping {
	struct work work;
	struct thread *thread; /* pinned */
};

static void keep_run(struct fs *fs, struct work *work)
{
	struct keeping *keeping = (struct keeping *)work;
	keep_open_files(fs, keeping->thread);
	atomic_fetch_sub(&fs->purge.keeping, 1);
	fs_lock(fs);
	node_unpin(fs, &keeping->thread->node);
	fs_unlock(fs);
	free(keeping);
}

/*
 * In the pool, for a deadline waits for nobody. It is erased after grace, and not before this is
 * done; what is opened where there is no grace was loaded then (handle.c).
 */
static void keep_submit(struct fs *fs, struct thread *thread)
{
	struct keeping *keeping = calloc(1, sizeof *keeping);
	if (!keeping)
		return;
	keeping->work.run = keep_run;
	keeping->thread = thread;
	atomic_fetch_add(&fs->purge.keeping, 1);
	fs_lock(fs);
	node_pin(&thread->node);
	fs_unlock(fs);
	work_submit(fs, &keeping->work);
}

/* What is known of the thread ends. False: it was renewed a moment ago. */
static bool end_known(struct fs *fs, struct thread *thread, int64_t now)
{
	fs_lock(fs);
	bool renewed = thread->deadline_ms > now;
	if (renewed)
		expiry_push(fs, thread->gen, thread->deadline_ms);
	else
		thread_kill(fs, thread, true);
	fs_unlock(fs);
	return !renewed;
}

/* The thread has reached its deadline: it is gone, for the kernel too. False: it has not. */
static bool expire(struct fs *fs, uint64_t gen, int64_t deadline_ms, int64_t now)
{
	char id[STORE_NAME_MAX + 1];
	fs_lock(fs);
	if (deadline_ms > fs->root_expiry_ms)
		fs->root_expiry_ms = deadline_ms;
	struct thread *thread = thread_by_gen(fs, gen);
	if (thread) {
		node_pin(&thread->node);
		snprintf(id, sizeof id, "%s", thread->id->text);
	}
	fs_unlock(fs);
	if (!thread)
		return true;
	if (thread->shortened)
		forget_names(fs, thread);
	bool ended = end_known(fs, thread, now);
	if (ended) {
		notify_entry(fs, &fs->root, id);
		notify_inode(fs, &thread->node, true);
	}
	fs_lock(fs);
	bool open = thread->files;
	fs_unlock(fs);
	if (ended && open)
		keep_submit(fs, thread);
	fs_lock(fs);
	node_unpin(fs, &thread->node);
	fs_unlock(fs);
	return ended;
}

/*
 * The deadline a thread has now: renewed, shortened, or as in the heap. -ENOENT: it is gone. Where
 * others write, one of them may have renewed it just now.
 */
static int deadline_now(struct fs *fs, uint64_t gen, int64_t now, int64_t *ret)
{
	char id[STORE_NAME_MAX + 1];
	fs_lock(fs);
	struct thread *thread = thread_by_gen(fs, gen);
	int64_t known = thread ? thread->deadline_ms : 0;
	snprintf(id, sizeof id, "%s", thread ? thread->id->text : "");
	fs_unlock(fs);
	if (thread && (known > now || !fs->store->ops->shared)) {
		*ret = known;
		return 0;
	}
	struct thread_info info;
	int rc = store_thread_stat(fs->store, (struct thread_ref){id, gen}, &info);
	if (rc == -ENOENT && thread)
		forget_thread(fs, gen); /* others have removed it */
	if (rc < 0)
		return rc;
	fs_lock(fs);
	thread = thread_by_gen(fs, gen);
	if (thread)
		thread_update(fs, thread, &info);
	fs_unlock(fs);
	*ret = info.deadline_ms;
	return 0;
}

/* The root's times move with what has gone, and stay so after a remount. */
static void root_follows(struct fs *fs)
{
	fs_lock(fs);
	int64_t gone_ns = fs->root_expiry_ms * 1000000;
	bool newer = gone_ns > fs->root_info.mtime_ns;
	fs_unlock(fs);
	if (newer && !fs->options->read_only)
		fs_root_touch(fs, gone_ns);
}

/* Everything that is due. False: the store is away, so that it has to be asked again. */
static bool expire_due(struct fs *fs)
{
	bool any = false, away = false;
	while (!away && !fs->ending) {
		int64_t now = store_now_ms(fs->store), deadline_ms;
		struct deadline d;
		fs_lock(fs);
		bool due = deadlines_pop(&fs->deadlines, now, &d);
		fs_unlock(fs);
		if (!due)
			break;
		int rc = deadline_now(fs, d.gen, now, &deadline_ms);
		if (rc == -ENOENT)
			continue;
		if (rc < 0)
			deadline_ms = now + TICK_MS;
		away = rc < 0 &&
		       !remote_is_told(fs); /* else this thread is damaged, others go on */
		if (deadline_ms <= now) {
			if (expire(fs, d.gen, deadline_ms, now)) {
				announce_expired(fs, d.gen);
				ledger_expired(fs, d.gen, deadline_ms);
				any = true;
			}
			continue;
		}
		fs_lock(fs);
		if (deadline_ms != STORE_DEADLINE_NEVER)
			deadlines_push(&fs->deadlines, deadline_ms, d.gen);
		fs_unlock(fs);
	}
	if (any) {
		root_follows(fs);
		expired_changed(fs);
		notify_inode(fs, &fs->root, true);
		purge_wanted(fs);
	}
	return !away;
}

/* T11: the steady clock goes on as it was; say so once a step. */
static void watch_clock(int64_t *said_ms)
{
	int64_t step = clock_step_ms();
	if (llabs(step - *said_ms) < 2000)
		return;
	*said_ms = step;
	log_warning(
		"the machine's clock now differs by %lld s from what it was at mount; deadlines "
		"go by the time that has passed since, so nothing expires early",
		(long long)(step / 1000));
}

/*
 * Sleeps until the nearest deadline, a wake-up or the next tick, not at all if there is more to do;
 * until the next tick if the store is away. False: the mount ends.
 */
static bool sleep_until_due(struct fs *fs, int timer, bool more, bool away)
{
	fs_lock(fs);
	int64_t nearest = expiry_nearest_ms(fs);
	fs_unlock(fs);
	int64_t left = TICK_MS;
	if (nearest != STORE_DEADLINE_NEVER && nearest - store_now_ms(fs->store) < left)
		left = nearest - store_now_ms(fs->store);
	if (left < 0 || more)
		left = 0;
	if (away)
		left = TICK_MS;
	struct itimerspec at = {.it_value = {left / 1000, left % 1000 * 1000000 + 1}};
	timerfd_settime(timer, 0, &at, NULL);
	struct pollfd fds[] = {
		{.fd = timer, .events = POLLIN}, {.fd = fs->expiry_event, .events = POLLIN}};
	poll(fds, 2, -1);
	uint64_t count;
	if ((fds[1].revents & POLLIN) && read(fs->expiry_event, &count, sizeof count) < 0)
		log_debug("the expiry thread's wake-up cannot be read");
	return !fs->ending;
}

static void *expiry_run(void *arg)
{
	struct fs *fs = arg;
	int64_t said_ms = 0;
	bool more, away;
	do {
		away = !expire_due(fs);
		more = !away && warning_due(fs);
		if (!away)
			purge_tick(fs);
		expired_tidy(fs);
		backup_copy_tidy(fs);
		watch_clock(&said_ms);
	} while (sleep_until_due(fs, fs->expiry_timer, more, away));
	return NULL;
}

int expiry_init(struct fs *fs)
{
	fs->expiry_timer = -1;
	fs->expiry_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->expiry_event < 0)
		return -errno;
	fs->expiry_timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	return fs->expiry_timer < 0 ? -errno : 0;
}

int expiry_start(struct fs *fs)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&fs->expiry_thread, NULL, expiry_run, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fs->expiry_started = !rc;
	return rc ? -rc : expiry_load(fs);
}

void expiry_stop(struct fs *fs)
{
	if (fs->expiry_started) {
		expiry_wake(fs);
		pthread_join(fs->expiry_thread, NULL);
	}
	if (fs->expiry_event >= 0)
		close(fs->expiry_event);
	if (fs->expiry_timer >= 0)
		close(fs->expiry_timer);
	deadlines_done(&fs->deadlines);
	warning_done(fs);
}
