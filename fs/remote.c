/* The queue of what others change in a shared store, and the thread that works through it. */
#include "remote.h"

#include "expiry.h"
#include "forget.h"
#include "health.h"
#include "ledger.h"
#include "loss.h"

#include "base/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	QUEUE_MAX = 10000, /* beyond it is quicker to forget everything */
	AHEAD = 32, /* how far is looked for a notice that says the same */
	IDLE_MS = 500,
	COUNT_MS = 20,
};

/* A notice, kept. */
struct heard {
	struct heard *next;
	struct store_notice notice; /* its strings and info are what follows */
	char id[STORE_NAME_MAX + 1], name[STORE_NAME_MAX + 1];
	struct thread_info info;
};

struct remote {
	pthread_mutex_t lock; /* all below but the atomics */
	pthread_cond_t more;
	struct heard *first, **last;
	size_t count; /* those that QUEUE_MAX is for: all but losses */
	bool lost; /* what did not fit: as NOTICE_LOST */
	bool stopping, started;
	pthread_t thread;
	struct fs *fs;
	atomic_bool up;
	/*
	 * Since when the kernel may keep what it is told, monotonic ms. Later than changes are told
	 * by as long as a request may take: what it has read before must not be kept either.
	 */
	_Atomic int64_t keep_from_ms;
};

static int64_t now_ms(void)
{
	return metric_now_ns() / 1000000;
}

struct remote *remote_create(void)
{
	struct remote *remote = calloc(1, sizeof *remote);
	pthread_condattr_t attributes;
	if (!remote)
		return NULL;
	pthread_mutex_init(&remote->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&remote->more, &attributes);
	pthread_condattr_destroy(&attributes);
	remote->last = &remote->first;
	return remote;
}

/* remote->lock held. Losses stay: nobody tells of them twice. */
static void queue_clear(struct remote *remote)
{
	struct heard *losses = NULL, **last = &losses;
	remote->count = 0;
	while (remote->first) {
		struct heard *heard = remote->first;
		remote->first = heard->next;
		if (heard->notice.kind != NOTICE_DATA_LOST) {
			free(heard);
			continue;
		}
		heard->next = NULL;
		*last = heard;
		last = &heard->next;
	}
	remote->first = losses;
	remote->last = losses ? last : &remote->first;
}

void remote_free(struct remote *remote)
{
	if (!remote)
		return;
	while (remote->first) {
		struct heard *next = remote->first->next;
		free(remote->first);
		remote->first = next;
	}
	pthread_cond_destroy(&remote->more);
	pthread_mutex_destroy(&remote->lock);
	free(remote);
}

static bool counts(const struct heard *heard)
{
	return heard->notice.kind != NOTICE_DATA_LOST;
}

static struct heard *keep(const struct store_notice *notice)
{
	struct heard *heard = malloc(sizeof *heard);
	if (!heard)
		return NULL;
	heard->next = NULL;
	heard->notice = *notice;
	snprintf(heard->id, sizeof heard->id, "%s", notice->id ? notice->id : "");
	heard->notice.id = heard->id;
	if (notice->name) {
		snprintf(heard->name, sizeof heard->name, "%s", notice->name);
		heard->notice.name = heard->name;
	}
	if (notice->info) {
		heard->info = *notice->info;
		heard->notice.info = &heard->info;
	}
	return heard;
}

/* At once, whatever is queued: from here on the kernel is told to keep nothing. */
static void take_state(struct remote *remote, enum notice_kind kind)
{
	if (kind == NOTICE_DOWN)
		atomic_store(&remote->up, false);
	else if (kind == NOTICE_UP)
		atomic_store(&remote->up, true);
	if (kind != NOTICE_UP && kind != NOTICE_DOWN && kind != NOTICE_LOST)
		return;
	int64_t wait_ms = remote->fs ? remote->fs->options->timeout_ms : 0;
	atomic_store(&remote->keep_from_ms, now_ms() + wait_ms);
}

void remote_on_notice(void *arg, const struct store_notice *notice)
{
	struct remote *remote = arg;
	struct heard *heard = keep(notice);
	pthread_mutex_lock(&remote->lock);
	take_state(remote, heard ? notice->kind : NOTICE_LOST);
	if (!heard || (counts(heard) && remote->count >= QUEUE_MAX)) {
		queue_clear(remote);
		remote->lost = true;
	}
	if (heard) {
		*remote->last = heard;
		remote->last = &heard->next;
		remote->count += counts(heard);
	}
	pthread_cond_signal(&remote->more);
	pthread_mutex_unlock(&remote->lock);
}

bool remote_is_told(const struct fs *fs)
{
	const struct remote *remote = fs->options->remote;
	return !remote ||
	       (atomic_load(&remote->up) && now_ms() >= atomic_load(&remote->keep_from_ms));
}

/* Whether a notice that is queued behind it makes this one superfluous. */
static bool is_covered(const struct heard *heard)
{
	const struct store_notice *notice = &heard->notice;
	if (notice->kind != NOTICE_FILE)
		return false;
	const struct heard *later = heard->next;
	for (int i = 0; i < AHEAD && later; i++, later = later->next) {
		const struct store_notice *other = &later->notice;
		if (other->kind == NOTICE_FILE && other->gen == notice->gen &&
			(!other->name || (notice->name && !strcmp(other->name, notice->name))))
			return true;
	}
	return false;
}

/* The next one, or NULL: nothing came for a while, or the mount ends. */
static struct heard *next(struct remote *remote, long wait_ms, bool *ret_lost)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += wait_ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&remote->lock);
	int rc = 0;
	while (!rc && !remote->first && !remote->lost && !remote->stopping)
		rc = pthread_cond_timedwait(&remote->more, &remote->lock, &until);
	*ret_lost = remote->lost;
	remote->lost = false;
	struct heard *heard = *ret_lost ? NULL : remote->first;
	while (heard && is_covered(heard)) {
		remote->first = heard->next;
		remote->count--;
		free(heard);
		heard = remote->first;
	}
	if (heard) {
		remote->first = heard->next;
		remote->count -= counts(heard);
		if (!remote->first)
			remote->last = &remote->first;
	}
	pthread_mutex_unlock(&remote->lock);
	return heard;
}

static void everything_changed(struct fs *fs)
{
	forget_everything(fs);
	expiry_reload(fs);
	ledger_start(fs); /* what could not be entered */
	fs_store_is_back(fs);
}

static void work_through(struct fs *fs, const struct store_notice *notice)
{
	switch (notice->kind) {
	case NOTICE_THREAD:
		if (notice->gen)
			forget_thread(fs, notice->gen);
		else
			forget_root(fs);
		break;
	case NOTICE_FILE:
		forget_file(fs, notice->gen, notice->name);
		break;
	case NOTICE_DOWN:
		metric_add(&fs->metrics, METRIC_CACHE_DROPS, 1);
		forget_cached(fs);
		break;
	case NOTICE_UP:
		metric_add(&fs->metrics, METRIC_RECONNECTS, 1);
		everything_changed(fs);
		break;
	case NOTICE_LOST:
		metric_add(&fs->metrics, METRIC_CACHE_DROPS, 1);
		everything_changed(fs);
		break;
	case NOTICE_DATA_LOST:
		loss_told(fs, notice->info);
		break;
	}
}

static void *remote_run(void *arg)
{
	struct fs *fs = arg;
	struct remote *remote = fs->options->remote;
	bool lost, counting = false;
	while (!atomic_load(&fs->ending)) {
		struct heard *heard = next(remote, counting ? COUNT_MS : IDLE_MS, &lost);
		if (lost)
			work_through(fs, &(struct store_notice){.kind = NOTICE_LOST, .id = ""});
		if (heard)
			work_through(fs, &heard->notice);
		else
			expiry_shrink(fs);
		counting = heard || health_recount(fs);
		free(heard);
	}
	return NULL;
}

int remote_start(struct fs *fs)
{
	struct remote *remote = fs->options->remote;
	if (!remote)
		return 0;
	pthread_mutex_lock(&remote->lock);
	queue_clear(remote);
	remote->lost = false;
	remote->fs = fs;
	pthread_mutex_unlock(&remote->lock);
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&remote->thread, NULL, remote_run, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	remote->started = !rc;
	return -rc;
}

void remote_stop(struct fs *fs)
{
	struct remote *remote = fs->options->remote;
	if (!remote)
		return;
	pthread_mutex_lock(&remote->lock);
	remote->stopping = true;
	remote->fs = NULL;
	pthread_cond_signal(&remote->more);
	pthread_mutex_unlock(&remote->lock);
	if (remote->started)
		pthread_join(remote->thread, NULL);
	remote->started = false;
}
