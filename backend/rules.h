/* What backend.h says of changes, once for all stores: how rows of any store follow a change. */
#pragma once

#include "backend.h"

/* Whether what has `revision` (NONE: it is not there) is what `expect` asks for. 0, EEXIST, ESTALE.
 */
int rules_expect(uint64_t expect, uint64_t revision);

/* The same of a thread's document, of which there is but one name: 0 or -ESTALE. */
int rules_expect_doc(uint64_t expect, uint64_t revision);

/* The deadline of a thread that is renewed at `now_ms`. */
int64_t rules_deadline(int64_t now_ms, int64_t ttl_ms);

/* What of a thread itself, and of its document's attributes, `change` names. */
void rules_set_thread(struct thread_info *info, const struct thread_change *change);
void rules_set_doc(struct thread_info *info, const struct thread_change *change);

/* A line of the ledger that a step enters at `now_ms`, of a thread called `id` before it. */
struct ledger_entry rules_line(enum ledger_cause cause, const struct thread_info *info,
	const char *id, const char *detail, int64_t now_ms);

/* lost_next() of a store that nobody else writes into: there are none. */
int rules_lost_none(struct store *store, uint64_t after_gen, struct lost_page *ret);

/* What of a file's attributes and metadata `set` names. */
void rules_set_file(struct file_info *info, const struct change *change, unsigned set);
