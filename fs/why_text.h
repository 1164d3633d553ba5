/*
 * What became of a thread, in words for a person (R3): of any id, whether there ever was such a
 * thread or not. The mount shows it as .turnfs/why/ID; `turnfs why` prints the same of a store that
 * is not mounted.
 */
#pragma once

#include "backend.h"

struct why_context {
	const char *mountpoint; /* NULL: the store is not mounted */
	const char *storage; /* as it may be shown: without a password */
	int64_t ttl_ms, grace_ms; /* in force; if it is not mounted, what a mount would use */
	int64_t start_ms; /* since when this mount watches, by the store's clock */
	uint64_t grace_gen; /* the thread of that name in .turnfs/expired; 0: there is none */
	const struct ledger_entry *more; /* lines of the ledger that are not in the store */
	size_t more_count;
	const struct ledger_entry *copy; /* what this machine remembers: ledger_copy.h */
	size_t copy_count;
};

/* `id` keeps N1. *ret_live: whether it is there. 0 or -errno. */
int why_text(struct store *store, const char *id, const struct why_context *context,
	struct blob **ret, bool *ret_live);
