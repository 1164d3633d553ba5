/* Deadlines: a heap of all threads' and a thread that tells the kernel what has gone. */
#include "expiry.h"

#include "entry.h"
#include "file.h"
#include "health.h"
#include "ledger.h"
#include "notify.h"
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

enum {
	PAGE = 1000,
	TICK_MS = 1000, /* at least so often: a clock that stepped, what is to be purged */
	PURGE_EVERY_MS = 30000,
	PURGE_STEP = 64, /* files erased in one transaction: no other call waits long */
};

/* fs->lock held. On lack of memory the thread still expires: by its timeouts and at lookup. */
static void heap_push(struct fs *fs, struct deadline d)
{
	if (fs->deadlines.count == fs->deadlines.capacity) {
		size_t capacity = fs->deadlines.capacity ? 2 * fs->deadlines.capacity : 256;
		struct deadline *items =
			realloc(fs->deadlines.items, capacity * sizeof *fs->deadlines.items);
		if (!items)
			return;
		fs->deadlines.items = items;
		fs->deadlines.capacity = capacity;
	}
	struct deadline *heap = fs->deadlines.items;
	size_t i = fs->deadlines.count++;
	while (i && heap[(i - 1) / 2].at_ms > d.at_ms) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = d;
}

/* fs->lock held; the heap is not empty. */
static struct deadline heap_pop(struct fs *fs)
{
	struct deadline *heap = fs->deadlines.items;
	struct deadline top = heap[0], last = heap[--fs->deadlines.count];
	size_t i = 0, count = fs->deadlines.count;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= count)
			break;
		if (child + 1 < count && heap[child + 1].at_ms < heap[child].at_ms)
			child++;
		if (heap[child].at_ms >= last.at_ms)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

int64_t expiry_nearest_ms(const struct fs *fs)
{
	return fs->deadlines.count ? fs->deadlines.items[0].at_ms : STORE_DEADLINE_NEVER;
}

static void wake(struct fs *fs)
{
	uint64_t one = 1;
	if (fs->expiry_wake >= 0 && write(fs->expiry_wake, &one, sizeof one) < 0)
		log_debug("the expiry thread could not be woken");
}

void expiry_add(struct fs *fs, uint64_t gen, int64_t deadline_ms)
{
	if (deadline_ms == STORE_DEADLINE_NEVER)
		return;
	fs_lock(fs);
	bool nearest = deadline_ms < expiry_nearest_ms(fs);
	heap_push(fs, (struct deadline){.at_ms = deadline_ms, .gen = gen});
	fs_unlock(fs);
	if (nearest)
		wake(fs);
}

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

void expiry_revived(struct fs *fs, const struct thread_info *info)
{
	if (info->deadline_ms <= store_now_ms(fs->store)) {
		log_notice(
			"thread %s: it expired while a file of it was open, and its name is taken "
			"since; what was written then went to the expired one",
			info->id);
		return;
	}
	log_notice("thread %s: a write that began before its deadline brought it back", info->id);
	ledger_add(fs, LEDGER_RESTORED, info->id, info, info->id);
	expiry_add(fs, info->gen, info->deadline_ms);
	fs_root_touch(fs, fs_now_ns(fs));
	notify_inode(fs, &fs->root, true);
}

static int load_state(struct fs *fs, enum thread_state state, uint64_t before)
{
	uint64_t after = 0;
	for (bool more = true; more && !fs->ending;) {
		struct thread_page page;
		int rc = store_thread_list(fs->store, state, after, PAGE, &page);
		if (rc < 0)
			return rc;
		fs_lock(fs);
		for (size_t i = 0; i < page.count; i++) {
			const struct thread_info *t = &page.items[i];
			after = t->gen;
			if (t->gen >= before)
				continue; /* made since the mount began: known already */
			health_found(fs, t, state == THREAD_LIVE);
			if (state == THREAD_GRACE) {
				ledger_found(fs, t);
				if (t->deadline_ms > fs->root_expiry_ms)
					fs->root_expiry_ms = t->deadline_ms;
				continue;
			}
			if (t->deadline_ms != STORE_DEADLINE_NEVER)
				heap_push(fs, (struct deadline){t->deadline_ms, t->gen});
			if (t->mtime_ns > fs->latest.mtime_ns) {
				fs->latest.gen = t->gen;
				fs->latest.mtime_ns = t->mtime_ns;
			}
		}
		fs_unlock(fs);
		more = page.more && page.count;
		thread_page_done(&page);
	}
	return 0;
}

/*
 * Reads every thread's deadline, beside the mount that already answers: how long that takes grows
 * with the store. Until then nothing that hangs on the nearest deadline of all is cached.
 */
static void load_run(struct fs *fs, struct work *work)
{
	uint64_t before;
	free(work);
	int rc = fs_ino_new(fs, &before);
	if (!rc)
		rc = load_state(fs, THREAD_LIVE, before);
	if (!rc)
		rc = load_state(fs, THREAD_GRACE, before);
	if (rc < 0) {
		log_error("the threads' deadlines cannot be read (error %d); they expire all the "
			  "same, but listings are slow",
			-rc);
		return;
	}
	atomic_store(&fs->deadlines_loaded, !fs->ending);
	wake(fs);
}

static int load_submit(struct fs *fs)
{
	struct work *work = calloc(1, sizeof *work);
	if (!work)
		return -ENOMEM;
	work->run = load_run;
	work_submit(fs, work);
	return 0;
}

/* Without grace the store erases at once: who has a file open keeps its content (T5). */
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

/* Names that the kernel may hold for longer than the thread has lived. */
static void drop_names(struct fs *fs, struct thread *thread)
{
	struct node *node;
	fs_lock(fs);
	size_t count = 0;
	DL_COUNT(thread->nodes, node, count);
	char(*names)[STORE_NAME_MAX + 1] = calloc(count, sizeof *names);
	size_t i = 0;
	if (names)
		DL_FOREACH(thread->nodes, node)
	memcpy(names[i++], node->name, strlen(node->name) + 1);
	fs_unlock(fs);
	while (i--)
		notify_entry(fs, &thread->node, names[i]);
	notify_entry(fs, &thread->node, ENTRY_DOC);
	free(names);
}

/* The thread has reached its deadline: it is gone, for the kernel too. */
static void expire(struct fs *fs, uint64_t gen, int64_t deadline_ms)
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
	ledger_expired(fs, gen, deadline_ms);
	if (!thread)
		return;
	if (fs->options->grace_ms == 0)
		keep_open_files(fs, thread);
	if (thread->shortened)
		drop_names(fs, thread);
	fs_lock(fs);
	thread_kill(fs, thread, true);
	fs_unlock(fs);
	notify_entry(fs, &fs->root, id);
	notify_inode(fs, &thread->node, true);
	fs_lock(fs);
	node_unpin(fs, &thread->node);
	fs_unlock(fs);
}

/* The deadline a thread has now: renewed, shortened, or as in the heap. -ENOENT: it is gone. */
static int deadline_now(struct fs *fs, uint64_t gen, int64_t *ret)
{
	fs_lock(fs);
	struct thread *thread = thread_by_gen(fs, gen);
	if (thread)
		*ret = thread->deadline_ms;
	fs_unlock(fs);
	if (thread)
		return 0;
	struct thread_info info;
	int rc = store_thread_stat(fs->store, (struct thread_ref){"", gen}, &info);
	if (rc < 0)
		return rc;
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

/* Everything that is due. */
static void expire_due(struct fs *fs)
{
	bool any = false;
	for (;;) {
		int64_t now = store_now_ms(fs->store);
		fs_lock(fs);
		bool due = expiry_nearest_ms(fs) <= now;
		struct deadline d = due ? heap_pop(fs) : (struct deadline){0};
		fs_unlock(fs);
		if (!due)
			break;
		int64_t deadline_ms;
		int rc = deadline_now(fs, d.gen, &deadline_ms);
		if (rc == -ENOENT)
			continue;
		if (rc < 0)
			deadline_ms = now + TICK_MS; /* the store is away: ask again soon */
		if (deadline_ms > now) {
			if (deadline_ms != STORE_DEADLINE_NEVER) {
				fs_lock(fs);
				heap_push(fs, (struct deadline){deadline_ms, d.gen});
				fs_unlock(fs);
			}
			continue;
		}
		expire(fs, d.gen, deadline_ms);
		any = true;
	}
	if (any) {
		root_follows(fs);
		notify_inode(fs, &fs->root, true);
		atomic_store(&fs->purge_due, true);
	}
}

/* Erases what has been in grace for long enough, a little at a time. In the pool. */
static void purge_run(struct fs *fs, struct work *work)
{
	size_t purged = 1;
	free(work);
	ledger_settle(fs); /* that a thread expired is to be told before that it is erased */
	while (purged && !fs->ending) {
		int rc = store_purge(fs->store, fs->options->grace_ms, PURGE_STEP, &purged);
		if (rc < 0)
			break;
		if (purged)
			ledger_purged(fs);
		if (purged)
			usleep(2000);
	}
	atomic_store(&fs->purging, false);
}

static void purge_maybe(struct fs *fs, int64_t *last_ms)
{
	int64_t now = store_now_ms(fs->store);
	bool at_once = fs->options->grace_ms == 0 && atomic_exchange(&fs->purge_due, false);
	if (fs->options->read_only || (!at_once && now - *last_ms < PURGE_EVERY_MS))
		return;
	if (atomic_exchange(&fs->purging, true)) {
		atomic_store(&fs->purge_due, at_once);
		return;
	}
	*last_ms = now;
	struct work *work = calloc(1, sizeof *work);
	if (!work) {
		atomic_store(&fs->purging, false);
		return;
	}
	work->run = purge_run;
	work_submit(fs, work);
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

/* Sleeps until the nearest deadline, a wake-up or the next tick. False: the mount ends. */
static bool sleep_until_due(struct fs *fs, int timer)
{
	fs_lock(fs);
	int64_t nearest = expiry_nearest_ms(fs);
	fs_unlock(fs);
	int64_t left = TICK_MS;
	if (nearest != STORE_DEADLINE_NEVER && nearest - store_now_ms(fs->store) < left)
		left = nearest - store_now_ms(fs->store);
	if (left < 0)
		left = 0;
	struct itimerspec at = {.it_value = {left / 1000, left % 1000 * 1000000 + 1}};
	timerfd_settime(timer, 0, &at, NULL);
	struct pollfd fds[] = {
		{.fd = timer, .events = POLLIN}, {.fd = fs->expiry_wake, .events = POLLIN}};
	poll(fds, 2, -1);
	uint64_t count;
	if ((fds[1].revents & POLLIN) && read(fs->expiry_wake, &count, sizeof count) < 0)
		log_debug("the expiry thread's wake-up cannot be read");
	return !fs->ending;
}

static void *expiry_run(void *arg)
{
	struct fs *fs = arg;
	int64_t purged_ms = 0, said_ms = 0;
	do {
		expire_due(fs);
		purge_maybe(fs, &purged_ms);
		watch_clock(&said_ms);
	} while (sleep_until_due(fs, fs->expiry_timer));
	return NULL;
}

int expiry_start(struct fs *fs)
{
	fs->expiry_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fs->expiry_wake < 0)
		return -errno;
	fs->expiry_timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fs->expiry_timer < 0)
		return -errno;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&fs->expiry_thread, NULL, expiry_run, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fs->expiry_started = !rc;
	return rc ? -rc : load_submit(fs);
}

void expiry_stop(struct fs *fs)
{
	if (fs->expiry_started) {
		wake(fs);
		pthread_join(fs->expiry_thread, NULL);
	}
	if (fs->expiry_wake >= 0)
		close(fs->expiry_wake);
	if (fs->expiry_timer >= 0)
		close(fs->expiry_timer);
	free(fs->deadlines.items);
}
