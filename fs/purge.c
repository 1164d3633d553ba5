/*
 * Erasing after grace, in the pool. A step is small and followed by a pause, so that a call waits
 * for one step at most. A read-only mount erases nothing.
 */
#include "purge.h"

#include "expired.h"
#include "ledger.h"
#include "work.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	STEP = 64, /* files in one step */
	PAUSE_US = 2000,
	EVERY_MIN_MS = 1000, /* how often is asked: a tenth of the grace, within these */
	EVERY_MAX_MS = 30000,
};

void purge_wanted(struct fs *fs)
{
	fs->purge.wanted = fs->options->grace_ms == 0;
}

static void purge_run(struct fs *fs, struct work *work)
{
	size_t purged = 1, all = 0;
	int rc = 0;
	free(work);
	ledger_settle(fs); /* that a thread expired is to be told before that it is erased */
	while (!rc && purged && !fs->ending && !atomic_load(&fs->purge.keeping)) {
		rc = store_purge(fs->store, fs->options->grace_ms, STEP, &purged);
		if (!rc && purged) {
			all += purged;
			ledger_purged(fs);
			expired_changed(fs);
			usleep(PAUSE_US);
		}
	}
	if (all)
		log_debug("erased %zu files of threads whose grace was over", all);
	atomic_store(&fs->purge.running, false);
}

static int64_t every_ms(const struct fs *fs)
{
	int64_t tenth = fs->options->grace_ms / 10;
	return tenth < EVERY_MIN_MS ? EVERY_MIN_MS : tenth > EVERY_MAX_MS ? EVERY_MAX_MS : tenth;
}

void purge_tick(struct fs *fs)
{
	int64_t now = store_now_ms(fs->store);
	bool time = llabs(now - fs->purge.asked_ms) >= every_ms(fs);
	if (fs->options->read_only || !(fs->purge.wanted || time) ||
		atomic_load(&fs->purge.keeping) || atomic_exchange(&fs->purge.running, true))
		return; /* what is wanted stays wanted */
	fs->purge.wanted = false;
	fs->purge.asked_ms = now;
	struct work *work = calloc(1, sizeof *work);
	if (!work) {
		atomic_store(&fs->purge.running, false);
		return;
	}
	work->run = purge_run;
	work_submit(fs, work);
}
