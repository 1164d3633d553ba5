/* What became of a thread: the facts out of the store and its ledger, then the words. */
#include "why_text.h"

#include "ledger_copy.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 500, RENAMES_MAX = 8, STORED_MAX = 32 };

/* All that is known of one id. */
struct facts {
	struct store *store;
	const struct why_context *context;
	const char *id;
	int64_t now_ms;
	bool broken; /* the store cannot give it, and no line says why */
	bool live, in_grace;
	struct thread_info info; /* of the live one, or of the one in grace */
	bool told; /* the ledger has a line about it; the last one is: */
	struct ledger_entry last;
	uint64_t stored[STORED_MAX]; /* the store's lines about it, hashed; the last ones, a ring */
	size_t stored_count;
	int64_t found_ms; /* when a mount first saw that the one in grace had expired; 0: unknown */
	int64_t began_ms; /* what the ledger knows goes back to then; 0: it is empty */
	bool dropped; /* older lines were dropped */
};

static void take_news(struct facts *facts, const struct ledger_entry *line)
{
	/* What is lost expires too, but that is not what became of it. */
	if (facts->told && facts->last.cause == LEDGER_LOST && facts->last.gen == line->gen &&
		(line->cause == LEDGER_EXPIRED || line->cause == LEDGER_PURGED))
		return;
	facts->told = true;
	facts->last = *line;
	if (line->cause == LEDGER_EXPIRED && line->gen == facts->context->grace_gen)
		facts->found_ms = line->time_ms;
}

static void take_line(struct facts *facts, const struct ledger_entry *line)
{
	if (!facts->began_ms) {
		facts->began_ms = line->time_ms;
		facts->dropped = line->cause != LEDGER_BEGAN;
	}
	if (line->cause == LEDGER_BEGAN || strcmp(line->id, facts->id) != 0)
		return;
	facts->stored[facts->stored_count++ % STORED_MAX] = ledger_copy_hash(line);
	take_news(facts, line);
}

/* This machine's line of what the store tells itself has a slightly different time. */
static bool is_stored(const struct facts *facts, const struct ledger_entry *line)
{
	uint64_t hash = ledger_copy_hash(line);
	for (size_t i = 0; i < facts->stored_count && i < STORED_MAX; i++)
		if (facts->stored[i] == hash)
			return true;
	return false;
}

static int read_ledger(struct facts *facts)
{
	uint64_t after = 0;
	for (bool more = true; more;) {
		struct ledger_page page;
		int rc = store_ledger_list(facts->store, after, PAGE, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count; i++)
			take_line(facts, &page.items[i]);
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].seq;
		ledger_page_done(&page);
	}
	for (size_t i = 0; i < facts->context->more_count; i++)
		take_line(facts, &facts->context->more[i]);
	for (size_t i = 0; i < facts->context->copy_count; i++) {
		const struct ledger_entry *line = &facts->context->copy[i];
		if (!strcmp(line->id, facts->id) &&
			(!facts->told || line->time_ms > facts->last.time_ms) &&
			!is_stored(facts, line))
			take_news(facts, line);
	}
	return 0;
}

/* Its name may be there still, and its turns not. */
static bool is_lost(const struct facts *facts)
{
	for (size_t i = 0; i < facts->context->copy_count; i++)
		if (facts->context->copy[i].cause == LEDGER_LOST &&
			facts->context->copy[i].gen == facts->info.gen &&
			!strcmp(facts->context->copy[i].id, facts->id))
			return true;
	return false;
}

static int read_facts(struct facts *facts)
{
	int rc = store_thread_find(facts->store, facts->id, &facts->info);
	facts->live = !rc && !is_lost(facts);
	if (rc < 0 && rc != -ENOENT && rc != -EIO)
		return rc;
	const bool broken =
		rc == -EIO ||
		(!rc && !facts->live); /* lost, as the ledger will say; else it cannot be read */
	if (!facts->live && facts->context->grace_gen) {
		struct thread_ref ref = {facts->id, facts->context->grace_gen};
		facts->in_grace = store_thread_stat(facts->store, ref, &facts->info) == 0 &&
				  facts->info.deadline_ms <= facts->now_ms;
	}
	rc = facts->live ? 0 : read_ledger(facts);
	facts->broken = broken && !(facts->told && facts->last.cause == LEDGER_LOST);
	return rc;
}

static char *shown_time(int64_t ms, char ret[TEXT_TIME_MAX])
{
	text_time_s(ms / 1000 * 1000000000, ret);
	return ret;
}

/* "…T…Z (3h 12m ago)" */
static void print_when(FILE *out, const struct facts *facts, int64_t ms)
{
	char time[TEXT_TIME_MAX], ago[TEXT_TIME_MAX];
	text_span_rough(facts->now_ms - ms, ago);
	fprintf(out, "%s (%s ago)", shown_time(ms, time), ago);
}

static void print_span(FILE *out, int64_t ms)
{
	char text[TEXT_TIME_MAX];
	text_span_format(ms, text);
	fputs(text, out);
}

static void print_turns(FILE *out, uint32_t turns)
{
	fprintf(out, "%u turn%s", turns, turns == 1 ? "" : "s");
}

/* A word for a shell: quoted where it must be. */
static void print_word(FILE *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+-./:=@_";
	if (*text && strspn(text, plain) == strlen(text)) {
		fputs(text, out);
		return;
	}
	putc('\'', out);
	for (; *text; text++)
		fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
	putc('\'', out);
}

/* MOUNTPOINT/FOLDER/ID as a word; MOUNTPOINT itself where nothing is mounted. */
static void print_path(FILE *out, const struct facts *facts, const char *folder, const char *id)
{
	const char *mountpoint =
		facts->context->mountpoint ? facts->context->mountpoint : "MOUNTPOINT";
	CLEAN_FREE char *path = NULL;
	if (asprintf(&path, "%s/%s%s", mountpoint, folder, id) >= 0)
		print_word(out, path);
}

/* Turns of ours that the chat server whose thread it is has written over. */
static void say_lost_turns(FILE *out, const struct facts *facts)
{
	struct lost_page page;
	if (store_lost_next(facts->store, facts->info.gen - 1, &page) < 0)
		return;
	if (page.gen == facts->info.gen) {
		fprintf(out, ", and %zu more that the chat server has written over: ", page.count);
		print_path(out, facts, ".turnfs/lost/", facts->id);
	}
	lost_page_done(&page);
}

static void say_live(FILE *out, const struct facts *facts)
{
	const struct thread_info *info = &facts->info;
	char time[TEXT_TIME_MAX], left[TEXT_TIME_MAX];
	if (info->deadline_ms == STORE_DEADLINE_NEVER) {
		fprintf(out, "%s is live and never expires.", facts->id);
	} else {
		text_span_rough(info->deadline_ms - facts->now_ms, left);
		fprintf(out, "%s is live until %s, for another %s: ", facts->id,
			shown_time(info->deadline_ms, time), left);
		print_span(out, info->ttl_ms);
		fprintf(out, " (its ttl) after its last write or touch.");
	}
	fprintf(out, " It has ");
	print_turns(out, info->turns);
	say_lost_turns(out, facts);
	fprintf(out, "; it was last changed at %s.\n", shown_time(info->mtime_ns / 1000000, time));
}

/* Not before a grace after the deadline, nor after somebody could see that it had passed. */
static int64_t restorable_until(const struct facts *facts)
{
	int64_t from = facts->info.deadline_ms, until;
	if (facts->found_ms > from)
		from = facts->found_ms;
	if (!facts->found_ms && facts->context->start_ms > from)
		from = facts->context->start_ms;
	return __builtin_add_overflow(from, facts->context->grace_ms, &until) ? INT64_MAX : until;
}

static void say_restorable(FILE *out, const struct facts *facts)
{
	char time[TEXT_TIME_MAX];
	if (facts->context->mountpoint) {
		fprintf(out, "It can be had back whole until %s, with its full ttl again:\n",
			shown_time(restorable_until(facts), time));
	} else {
		fprintf(out, "It can be had back whole, with its full ttl again, for at least ");
		print_span(out, facts->context->grace_ms);
		fprintf(out, " (the grace) once the store is mounted:\n");
	}
	fprintf(out, "  mv ");
	print_path(out, facts, ".turnfs/expired/", facts->id);
	fprintf(out, " ");
	print_path(out, facts, "", "");
	fprintf(out, "\nor\n  turnfs restore %s", facts->id[0] == '-' ? "-- " : "");
	print_word(out, facts->id);
	const struct why_context *context = facts->context;
	const char *where = context->mountpoint ? context->mountpoint : context->storage;
	if (where[0] == '/') { /* a server's URL is shown without its password */
		fprintf(out, " ");
		print_word(out, where);
	}
	fprintf(out, "\n");
}

/* "…, 24h (its ttl) after its last write or touch at T. It had 4 turns." */
static void say_ttl(FILE *out, int64_t deadline_ms, int64_t ttl_ms, uint32_t turns)
{
	char time[TEXT_TIME_MAX];
	if (ttl_ms != STORE_TTL_NEVER && deadline_ms != STORE_DEADLINE_NEVER) {
		fprintf(out, ", ");
		print_span(out, ttl_ms);
		fprintf(out, " (its ttl) after its last write or touch at %s",
			shown_time(deadline_ms - ttl_ms, time));
	}
	fprintf(out, ". It had ");
	print_turns(out, turns);
	fprintf(out, ".");
}

static void say_expired(FILE *out, const struct facts *facts)
{
	const struct thread_info *info = &facts->info;
	bool unwatched = facts->told && facts->last.cause == LEDGER_EXPIRED &&
			 facts->last.gen == info->gen && facts->last.detail[0];
	fprintf(out, "%s expired at ", facts->id);
	print_when(out, facts, info->deadline_ms);
	if (unwatched || (!facts->found_ms && !facts->context->mountpoint))
		fprintf(out, ", while nothing was mounted");
	say_ttl(out, info->deadline_ms, info->ttl_ms, info->turns);
	fprintf(out, "\n");
	say_restorable(out, facts);
}

/* Where a chain of renames has led: the last name, and whether that one is live. */
static void say_renamed(FILE *out, const struct facts *facts)
{
	struct thread_info now;
	struct facts next = {.store = facts->store, .context = facts->context};
	char name[STORE_NAME_MAX + 1];
	snprintf(name, sizeof name, "%s", facts->last.detail);
	fprintf(out, "%s was renamed at ", facts->id);
	print_when(out, facts, facts->last.time_ms);
	fprintf(out, " to %s.", name);
	for (int i = 0; i < RENAMES_MAX; i++) {
		if (store_thread_find(facts->store, name, &now) == 0) {
			fprintf(out, " That one is live: use ");
			print_path(out, facts, "", name);
			fprintf(out, ".\n");
			return;
		}
		next.id = name;
		next.told = false;
		next.stored_count = 0;
		if (read_ledger(&next) < 0 || !next.told || next.last.cause != LEDGER_RENAMED ||
			next.last.seq <= facts->last.seq)
			break;
		snprintf(name, sizeof name, "%s", next.last.detail);
		fprintf(out, " It is called %s since.", name);
	}
	fprintf(out, " That one is not there any more: ");
	if (facts->context->mountpoint) {
		fprintf(out, "cat ");
		print_path(out, facts, ".turnfs/why/", name);
	} else {
		fprintf(out, "turnfs why ");
		print_word(out, name);
	}
	fprintf(out, " tells why.\n");
}

static void say_line(FILE *out, const struct facts *facts)
{
	const struct ledger_entry *line = &facts->last;
	if (line->cause == LEDGER_RENAMED) {
		say_renamed(out, facts);
		return;
	}
	if (line->cause == LEDGER_RESTORED && strcmp(line->id, line->detail)) {
		fprintf(out, "%s was restored at ", facts->id);
		print_when(out, facts, line->time_ms);
		fprintf(out, " under the name %s.\n", line->detail);
		return;
	}
	if (line->cause == LEDGER_DELETED) {
		fprintf(out, "%s was deleted at ", facts->id);
		print_when(out, facts, line->time_ms);
		bool others = !strncmp(line->detail, "by ", 3);
		fprintf(out, ", %s%s%s. ", others ? "" : "by rmdir or rm -r on a mount",
			others || !line->detail[0] ? "" : ": ", line->detail);
		if (!others &&
			line->turns) { /* rmdir finds it empty: the highest number is known */
			fprintf(out, "The last of its turns was number %u", line->turns);
		} else {
			fprintf(out, "It had ");
			print_turns(out, line->turns);
		}
		fprintf(out, ". What is deleted cannot be had back but from a backup.\n");
		return;
	}
	if (line->cause == LEDGER_LOST) {
		fprintf(out,
			"%s was lost by the store (evicted, flushed: it was known and its data is "
			"gone). That was seen at ",
			facts->id);
		print_when(out, facts, line->time_ms);
		fprintf(out, "; its deadline had not passed. It had ");
		print_turns(out, line->turns);
		fprintf(out, ". It cannot be had back but from a backup.\n");
		return;
	}
	fprintf(out, "%s expired at ", facts->id);
	print_when(out, facts, line->deadline_ms);
	if (line->cause == LEDGER_EXPIRED && line->detail[0])
		fprintf(out, ", %s", line->detail);
	say_ttl(out, line->deadline_ms, line->ttl_ms, line->turns);
	if (line->cause == LEDGER_PURGED) {
		fprintf(out, " After its grace it was erased at ");
		print_when(out, facts, line->time_ms);
		fprintf(out, ": it cannot be had back but from a backup.\n");
	} else {
		fprintf(out, " Its data is gone since: it cannot be had back.\n");
	}
}

/* A storage that is not well may have lost what it never tells of. */
static void say_storage_problem(FILE *out, const struct facts *facts)
{
	struct store_health health;
	if (store_health(facts->store, false, &health) == 0 && health.problem[0])
		fprintf(out, "The storage has a problem: %s.\n", health.problem);
}

static void say_broken(FILE *out, const struct facts *facts)
{
	fprintf(out,
		"%s cannot be read: the storage has lost it, or answers with an error. What it was "
		"is not known; it is not simply absent.\n",
		facts->id);
	say_storage_problem(out, facts);
}

static void say_unknown(FILE *out, const struct facts *facts)
{
	char time[TEXT_TIME_MAX];
	if (facts->store->ops->volatile_store) {
		fprintf(out,
			"%s is not known. This storage is in memory: nothing from before the start "
			"at %s is known, and this may have been part of it. A restart loses all.\n",
			facts->id, shown_time(facts->context->start_ms, time));
		return;
	}
	fprintf(out, "%s was never seen here", facts->id);
	if (facts->began_ms && facts->dropped)
		fprintf(out,
			" since %s, as far back as the ledger of threads that went reaches (it "
			"keeps 10000 lines).\n",
			shown_time(facts->began_ms, time));
	else if (facts->began_ms)
		fprintf(out, " since the ledger began at %s.\n", shown_time(facts->began_ms, time));
	else
		fprintf(out, ", and the ledger of threads that went is empty.\n");
	fprintf(out, "Is it the right id, and the right storage?\n");
	say_storage_problem(out, facts);
}

static void say_storage(FILE *out, const struct facts *facts)
{
	const struct why_context *context = facts->context;
	fprintf(out, "\nStorage: %s%s.\n", context->storage,
		facts->store->ops->volatile_store ? ", which a restart or an unmount loses all of"
						  : "");
	fprintf(out, "The ttl in force is ");
	print_span(out, context->ttl_ms);
	fprintf(out, "%s; expired threads are kept for ",
		context->mountpoint ? "" : ", unless a mount says another");
	print_span(out, context->grace_ms);
	fprintf(out, " (grace).\n");
}

/* How the server is set up decides what it can lose. */
static void say_server_advice(FILE *out, const struct facts *facts)
{
	struct store_health health;
	fprintf(out, "So that the server does not lose threads: maxmemory-policy noeviction, "
		     "appendonly yes, and no FLUSHALL or FLUSHDB by anybody (an ACL can forbid "
		     "them).\n");
	if (store_health(facts->store, false, &health) < 0)
		return;
	fprintf(out, "As it is now: %s.\n", health.durability);
	if (health.problem[0])
		fprintf(out, "Problem: %s.\n", health.problem);
}

/* What to change so that it does not happen (again). */
static void say_advice(FILE *out, const struct facts *facts)
{
	if (facts->store->ops->volatile_store)
		fprintf(out, "To keep conversations over a restart, mount a durable store: "
			     "turnfs mount MOUNTPOINT\n");
	if (facts->store->ops->shared && facts->told && facts->last.cause == LEDGER_LOST)
		say_server_advice(out, facts);
	fprintf(out, "To keep threads longer, mount with -o ttl=7d (or ttl=never), or set "
		     "CONVERSATION_TIMEOUT_HOURS=168.\n");
	if (facts->live) {
		fprintf(out, "To keep this one: touch ");
		print_path(out, facts, "", facts->id);
		fprintf(out, "   (or: setfattr -n user.turnfs.ttl -v 7d ");
		print_path(out, facts, "", facts->id);
		fprintf(out, ")\n");
	} else {
		fprintf(out, "One thread alone: setfattr -n user.turnfs.ttl -v 7d ");
		print_path(out, facts, "", "THREAD");
		fprintf(out, "\nWhat expires soon is in ");
		print_path(out, facts, ".turnfs/", "expiring");
		fprintf(out, ".\n");
	}
}

static void say_what_became(FILE *out, const struct facts *facts)
{
	bool lost = facts->told && facts->last.cause == LEDGER_LOST;
	bool last_is_it = lost || (facts->told && facts->last.cause != LEDGER_EXPIRED &&
					  facts->last.gen != facts->info.gen);
	if (facts->broken) {
		say_broken(out, facts);
	} else if (facts->live) {
		say_live(out, facts);
	} else if (facts->in_grace && !last_is_it) {
		say_expired(out, facts);
	} else if (facts->told) {
		say_line(out, facts);
		if (!facts->in_grace || facts->last.gen == facts->info.gen)
			return;
		fprintf(out, "An earlier thread of that name is there: ");
		say_expired(out, facts);
	} else {
		say_unknown(out, facts);
	}
}

int why_text(struct store *store, const char *id, const struct why_context *context,
	struct blob **ret, bool *ret_live)
{
	struct facts facts = {
		.store = store, .context = context, .id = id, .now_ms = store_now_ms(store)};
	char *text = NULL;
	size_t size;
	int rc = read_facts(&facts);
	if (rc < 0)
		return rc;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	say_what_became(out, &facts);
	say_storage(out, &facts);
	say_advice(out, &facts);
	struct blob *blob = blob_of_stream(out, &text, &size);
	if (!blob)
		return -ENOMEM;
	*ret = blob;
	*ret_live = facts.live;
	return 0;
}
