/* Losses of the store: told once, remembered, and nothing of them cached any more. */
#include "loss.h"

#include "forget.h"
#include "ledger.h"

/* The store has said so in the log. */
void loss_told(struct fs *fs, const struct thread_info *info)
{
	ledger_lost(fs, info);
	forget_thread(fs, info->gen);
}
