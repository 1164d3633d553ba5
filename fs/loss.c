/* Losses of the store: told once, remembered, and nothing of them cached any more. */
#include "loss.h"

#include "forget.h"
#include "ledger.h"

/* The store has said so in the log. */
void loss_told(struct fs *fs, const struct thread_info *info)
{
	ledger_add(fs, LEDGER_LOST, info->id, info, NULL);
	forget_thread(fs, info->gen);
}
