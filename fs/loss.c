/* Losses of the store: told once, remembered, and nothing of them cached any more. */
#include "loss.h"

#include "forget.h"
#include "ledger.h"
#include "losses.h"

#include "base/log.h"

static void note(struct fs *fs, const struct thread_info *info)
{
	struct ledger_entry line = {
		.time_ms = store_now_ms(fs->store),
		.gen = info->gen,
		.cause = LEDGER_LOST,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.turns = info->turns,
	};
	snprintf(line.id, sizeof line.id, "%s", info->id);
	int rc = fs->options->losses ? losses_add(fs->options->losses, &line) : 0;
	if (rc < 0)
		log_warning("thread %s: that it is lost cannot be noted in %s: error %d", info->id,
			fs->options->losses, -rc);
}

/* The store has said so in the log. */
void loss_told(struct fs *fs, const struct thread_info *info)
{
	note(fs, info);
	ledger_add(fs, LEDGER_LOST, info->id, info, NULL);
	forget_thread(fs, info->gen);
}
