/* Reading all deadlines of a store that has just been mounted. */
#include "expiry.h"

#include "health.h"
#include "ledger.h"
#include "work.h"

#include "base/log.h"

#include <stdlib.h>

enum {
	PAGE = 1000,
	ENTRIES_MIN = 65536, /* of the heap: not worth a thought */
	ENTRIES_EACH = 4, /* of one thread */
};

static int load_state(struct fs *fs, enum thread_state state, uint64_t before, bool again)
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
			if (!again)
				health_found(fs, t, state == THREAD_LIVE);
			if (state == THREAD_GRACE) {
				ledger_found(fs, t);
				if (t->deadline_ms > fs->root_expiry_ms)
					fs->root_expiry_ms = t->deadline_ms;
				continue;
			}
			expiry_push(fs, t->gen, t->deadline_ms);
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

struct loading {
	struct work work;
	bool again; /* not the first time: what was found then is counted and entered */
};

/*
 * Reads every thread's deadline, beside the mount that already answers: how long that takes grows
 * with the store. Until then nothing that hangs on the nearest deadline of all is cached.
 */
static void load_run(struct fs *fs, struct work *work)
{
	bool again = ((struct loading *)work)->again;
	uint64_t before = UINT64_MAX; /* read-only: none is made */
	free(work);
	int rc = again || fs->options->read_only ? 0 : fs_ino_new(fs, &before);
	if (!rc)
		rc = load_state(fs, THREAD_LIVE, before, again);
	if (!rc && !again)
		rc = load_state(fs, THREAD_GRACE, before, again);
	if (rc < 0) {
		log_error("the threads' deadlines cannot be read (error %d); they expire all the "
			  "same, but listings are slow",
			-rc);
		return;
	}
	atomic_store(&fs->deadlines_loaded, !fs->ending);
	expiry_wake(fs);
	if (again) {
		health_count_again(fs);
		return;
	}
	health_loaded(fs);
	ledger_start(fs);
}

static int load_submit(struct fs *fs, bool again)
{
	struct loading *loading = calloc(1, sizeof *loading);
	if (!loading)
		return -ENOMEM;
	loading->work.run = load_run;
	loading->again = again;
	work_submit(fs, &loading->work);
	return 0;
}

int expiry_load(struct fs *fs)
{
	return load_submit(fs, false);
}

/* What is due stays, and what the kernel knows of. */
void expiry_reload(struct fs *fs)
{
	struct thread *thread, *next;
	int64_t now = store_now_ms(fs->store);
	fs_lock(fs);
	atomic_store(&fs->deadlines_loaded, false);
	deadlines_drop_after(&fs->deadlines, now);
	deadlines_drop_after(&fs->warnings.heap, now);
	HASH_ITER (hh, fs->threads, thread, next)
		if (thread->view == THREAD_VIEW_LIVE)
			expiry_push(fs, thread->gen, thread->deadline_ms);
	fs_unlock(fs);
	if (load_submit(fs, true) < 0)
		log_error("no memory left to read the threads' deadlines anew; listings are slow");
}

void expiry_shrink(struct fs *fs)
{
	long long live = atomic_load(&fs->metrics.live);
	fs_lock(fs);
	bool many = fs->deadlines.count > ENTRIES_MIN &&
		    fs->deadlines.count / ENTRIES_EACH > (size_t)(live > 0 ? live : 0);
	fs_unlock(fs);
	if (many && atomic_load(&fs->deadlines_loaded))
		expiry_reload(fs);
}
