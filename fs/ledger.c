/* The ledger of threads that went: lines on their way to the store, and what is read of them. */
#include "ledger.h"

#include "ledger_copy.h"
#include "work.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 64, /* lines in one transaction: no commit waits for it long */
	PAGE = 1000,
	LINES_MAX = 10000, /* more than that no store keeps */
	KNOWN = 1 << 14, /* slots for ids that expired */
};

/* An expiry, before anybody has asked the store which thread it was. */
struct expiry {
	uint64_t gen;
	int64_t deadline_ms, time_ms;
	bool found; /* at start; the ledger may have it already */
};

struct ledger {
	pthread_mutex_t lock;
	pthread_cond_t flushed;
	/* under `lock` */
	struct expiry *expiries;
	size_t expiry_count, expiry_capacity, found_count;
	struct ledger_entry *lines;
	size_t line_count, line_capacity;
	bool flushing, scheduled;
	uint64_t seen[KNOWN]; /* hashes of (gen, deadline) said last: a heap may say one twice */
	bool begun; /* it has been seen to that the ledger has a beginning */
	uint64_t purged_seq; /* the last line that ledger_purged() has seen */
	/* hashes of ids that expired, at random places: a lookup must not cost anything */
	atomic_ullong known[KNOWN];
};

static uint64_t id_hash(const char *id)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * UINT64_C(1099511628211);
	return hash | 1;
}

static void know_expired(struct ledger *ledger, const char *id)
{
	uint64_t hash = id_hash(id);
	atomic_store_explicit(&ledger->known[(hash >> 20) % KNOWN], hash, memory_order_relaxed);
}

bool ledger_knows_expired(struct fs *fs, const char *id)
{
	uint64_t hash = id_hash(id);
	return atomic_load_explicit(
		       &fs->ledger->known[(hash >> 20) % KNOWN], memory_order_relaxed) == hash;
}

int ledger_init(struct fs *fs)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);
	if (!ledger)
		return -ENOMEM;
	pthread_mutex_init(&ledger->lock, NULL);
	pthread_cond_init(&ledger->flushed, NULL);
	fs->ledger = ledger;
	return 0;
}

void ledger_done(struct fs *fs)
{
	struct ledger *ledger = fs->ledger;
	if (!ledger)
		return;
	if (ledger->line_count && !fs->options->read_only)
		log_warning("%zu lines could not be entered in the ledger", ledger->line_count);
	pthread_cond_destroy(&ledger->flushed);
	pthread_mutex_destroy(&ledger->lock);
	free(ledger->expiries);
	free(ledger->lines);
	free(ledger);
	fs->ledger = NULL;
}

/* Room for one more item of `size` bytes, doubling. 0 or -ENOMEM. */
static int make_room(void **items, size_t size, size_t count, size_t *capacity)
{
	if (count < *capacity)
		return 0;
	size_t more = *capacity ? 2 * *capacity : 64;
	void *bigger = reallocarray(*items, more, size);
	if (!bigger)
		return -ENOMEM;
	*items = bigger;
	*capacity = more;
	return 0;
}

/* ledger->lock held. Without memory for it there is no line; the thread is in expired/ anyway. */
static void push_expiry(struct ledger *ledger, const struct expiry *expiry)
{
	if (make_room((void **)&ledger->expiries, sizeof *expiry, ledger->expiry_count,
		    &ledger->expiry_capacity) == 0)
		ledger->expiries[ledger->expiry_count++] = *expiry;
}

/* ledger->lock held. What no store takes is kept here, up to what one would keep. */
static void push_line(struct ledger *ledger, const struct ledger_entry *line)
{
	if (ledger->line_count == LINES_MAX)
		memmove(ledger->lines, ledger->lines + 1,
			--ledger->line_count * sizeof *ledger->lines);
	if (make_room((void **)&ledger->lines, sizeof *line, ledger->line_count,
		    &ledger->line_capacity) == 0)
		ledger->lines[ledger->line_count++] = *line;
}

/* Ascending (gen, deadline), for bsearch(). */
static int expiry_compare(const void *a, const void *b)
{
	const struct expiry *one = a, *other = b;
	if (one->gen != other->gen)
		return one->gen < other->gen ? -1 : 1;
	return (one->deadline_ms > other->deadline_ms) - (one->deadline_ms < other->deadline_ms);
}

/* What the ledger says already of expiries, sorted. */
struct entered {
	struct expiry *items;
	size_t count, capacity;
	int64_t oldest_ms; /* of the lines dropped since, nothing is known */
	bool any;
};

static int entered_add(
	struct ledger *ledger, struct entered *entered, const struct ledger_entry *line)
{
	if (!entered->any)
		entered->oldest_ms = line->cause == LEDGER_BEGAN ? INT64_MIN : line->time_ms;
	entered->any = true;
	if (!ledger->begun)
		ledger->purged_seq = line->seq;
	if (line->cause != LEDGER_EXPIRED)
		return 0;
	know_expired(ledger, line->id);
	int rc = make_room((void **)&entered->items, sizeof *entered->items, entered->count,
		&entered->capacity);
	if (rc == 0)
		entered->items[entered->count++] =
			(struct expiry){.gen = line->gen, .deadline_ms = line->deadline_ms};
	return rc;
}

static int entered_read(struct fs *fs, struct entered *entered)
{
	uint64_t after = 0;
	int rc = 0;
	for (bool more = true; more && !rc;) {
		struct ledger_page page;
		rc = store_ledger_list(fs->store, after, PAGE, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count && !rc; i++)
			rc = entered_add(fs->ledger, entered, &page.items[i]);
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].seq;
		ledger_page_done(&page);
	}
	if (entered->count)
		qsort(entered->items, entered->count, sizeof *entered->items, expiry_compare);
	return rc;
}

/* What was found at start and is entered already, or so old that its line was dropped, goes. */
static size_t drop_entered(const struct entered *entered, struct expiry *expiries, size_t count)
{
	size_t left = 0;
	for (size_t i = 0; i < count; i++) {
		const struct expiry *e = &expiries[i];
		bool known = e->deadline_ms < entered->oldest_ms ||
			     (entered->count && bsearch(e, entered->items, entered->count,
							sizeof *e, expiry_compare));
		if (!e->found || !known)
			expiries[left++] = *e;
	}
	return left;
}

/* At first, and for what was found: what the ledger says already; its first line if it has none. */
static int begin(struct fs *fs, struct expiry *expiries, size_t *count)
{
	struct entered entered = {.oldest_ms = INT64_MIN};
	int rc = entered_read(fs, &entered);
	if (!rc && !entered.any && !fs->options->read_only) {
		struct ledger_entry line = {.cause = LEDGER_BEGAN,
			.time_ms = store_now_ms(fs->store),
			.ttl_ms = STORE_TTL_NEVER,
			.deadline_ms = STORE_DEADLINE_NEVER};
		rc = store_ledger_add(fs->store, &line, 1);
	}
	if (!rc)
		*count = drop_entered(&entered, expiries, *count);
	free(entered.items);
	return rc;
}

static struct ledger_entry line_make(struct fs *fs, enum ledger_cause cause, const char *id,
	const struct thread_info *info, const char *detail)
{
	struct ledger_entry line = {
		.time_ms = store_now_ms(fs->store),
		.gen = info->gen,
		.cause = cause,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.turns = info->turns,
	};
	snprintf(line.id, sizeof line.id, "%s", id);
	snprintf(line.detail, sizeof line.detail, "%s", detail);
	return line;
}

/* The line of an expiry. -ENOENT: the thread is erased already, or has come back: it is entered. */
static int line_of(struct fs *fs, const struct expiry *expiry, struct ledger_entry *ret)
{
	struct thread_info info;
	int rc = store_thread_stat(fs->store, (struct thread_ref){"", expiry->gen}, &info);
	if (!rc && info.deadline_ms > store_now_ms(fs->store))
		rc = -ENOENT;
	if (rc < 0)
		return rc;
	*ret = line_make(fs, LEDGER_EXPIRED, info.id, &info,
		expiry->found ? "while nothing was mounted" : "");
	ret->time_ms = expiry->time_ms;
	know_expired(fs->ledger, info.id);
	return 0;
}

static void copy_lines(struct fs *fs, const struct ledger_entry *lines, size_t count)
{
	const char *copy = fs->options->ledger_copy;
	int rc = copy ? ledger_copy_add(copy, lines, count) : 0;
	if (rc < 0)
		log_warning("%s cannot be written: error %d; the ledger is in the store alone",
			copy, -rc);
}

static int store_lines(struct fs *fs, const struct ledger_entry *lines, size_t count)
{
	copy_lines(fs, lines, count);
	return fs->options->read_only ? -EROFS : store_ledger_add(fs->store, lines, count);
}

/* ledger->lock not held. */
static void keep_expiry(struct ledger *ledger, const struct expiry *expiry)
{
	pthread_mutex_lock(&ledger->lock);
	push_expiry(ledger, expiry);
	pthread_mutex_unlock(&ledger->lock);
}

/*
 * Enters what was taken. What the store refuses is kept as lines, and what it cannot be asked of as
 * it is: a store that is away is asked once. 0 or -errno.
 */
static int enter(struct fs *fs, const struct expiry *expiries, size_t expiry_count,
	const struct ledger_entry *lines, size_t line_count)
{
	struct ledger_entry batch[BATCH];
	int rc = 0, away = 0;
	for (size_t e = 0, l = 0; e < expiry_count || l < line_count;) {
		size_t count = 0;
		for (; count < BATCH && e < expiry_count; e++) {
			if (!away)
				away = line_of(fs, &expiries[e], &batch[count]);
			if (away == -ENOENT)
				away = 0;
			else if (away)
				keep_expiry(fs->ledger, &expiries[e]);
			else
				count++;
		}
		rc = rc ? rc : away;
		for (; count < BATCH && l < line_count; l++)
			batch[count++] = lines[l];
		if (!rc && count)
			rc = store_lines(fs, batch, count);
		if (!rc)
			continue;
		pthread_mutex_lock(&fs->ledger->lock);
		for (size_t i = 0; i < count; i++)
			push_line(fs->ledger, &batch[i]);
		pthread_mutex_unlock(&fs->ledger->lock);
	}
	return rc;
}

static bool any_found(const struct expiry *expiries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (expiries[i].found)
			return true;
	return false;
}

void ledger_settle(struct fs *fs)
{
	struct ledger *ledger = fs->ledger;
	int rc = 0;
	pthread_mutex_lock(&ledger->lock);
	while (ledger->flushing)
		pthread_cond_wait(&ledger->flushed, &ledger->lock);
	bool begun = ledger->begun;
	while (!rc && (ledger->expiry_count || ledger->line_count || !ledger->begun)) {
		struct expiry *expiries = ledger->expiries;
		struct ledger_entry *lines = ledger->lines;
		size_t expiry_count = ledger->expiry_count, line_count = ledger->line_count;
		ledger->expiries = NULL;
		ledger->lines = NULL;
		ledger->expiry_count = ledger->expiry_capacity = 0;
		ledger->line_count = ledger->line_capacity = 0;
		ledger->flushing = true;
		pthread_mutex_unlock(&ledger->lock);
		if (!begun || any_found(expiries, expiry_count))
			rc = begin(fs, expiries, &expiry_count);
		begun = !rc;
		int entered = enter(fs, expiries, expiry_count, lines, line_count);
		rc = rc ? rc : entered;
		free(expiries);
		free(lines);
		pthread_mutex_lock(&ledger->lock);
		ledger->begun = begun;
		ledger->flushing = false;
		pthread_cond_broadcast(&ledger->flushed);
	}
	pthread_mutex_unlock(&ledger->lock);
}

static void flush_run(struct fs *fs, struct work *work)
{
	free(work);
	pthread_mutex_lock(&fs->ledger->lock);
	fs->ledger->scheduled = false;
	pthread_mutex_unlock(&fs->ledger->lock);
	ledger_settle(fs);
}

/* Has the pool enter it, soon. ledger->lock held on entry, not on return. */
static void schedule_and_unlock(struct fs *fs)
{
	bool needed = !fs->ledger->scheduled;
	fs->ledger->scheduled = true;
	pthread_mutex_unlock(&fs->ledger->lock);
	struct work *work = needed ? calloc(1, sizeof *work) : NULL;
	if (work) {
		work->run = flush_run;
		work_submit(fs, work);
	}
}

void ledger_start(struct fs *fs)
{
	pthread_mutex_lock(&fs->ledger->lock);
	schedule_and_unlock(fs);
}

void ledger_stop(struct fs *fs)
{
	if (fs->ledger)
		ledger_settle(fs);
}

void ledger_found(struct fs *fs, const struct thread_info *info)
{
	struct ledger *ledger = fs->ledger;
	struct expiry expiry = {.gen = info->gen,
		.deadline_ms = info->deadline_ms,
		.time_ms = store_now_ms(fs->store),
		.found = true};
	pthread_mutex_lock(&ledger->lock);
	/* Of more than fit in the ledger the youngest count; the older ones show in expired/. */
	if (ledger->found_count < LINES_MAX)
		push_expiry(ledger, &expiry);
	else if (ledger->expiry_count == LINES_MAX)
		ledger->expiries[ledger->found_count % LINES_MAX] = expiry;
	ledger->found_count++;
	pthread_mutex_unlock(&ledger->lock);
}

void ledger_expired(struct fs *fs, uint64_t gen, int64_t deadline_ms)
{
	struct expiry expiry = {
		.gen = gen, .deadline_ms = deadline_ms, .time_ms = store_now_ms(fs->store)};
	uint64_t hash = (gen << 24) ^ (uint64_t)deadline_ms;
	pthread_mutex_lock(&fs->ledger->lock);
	uint64_t *seen = &fs->ledger->seen[gen % KNOWN];
	if (*seen == hash) {
		pthread_mutex_unlock(&fs->ledger->lock);
		return;
	}
	*seen = hash;
	push_expiry(fs->ledger, &expiry);
	schedule_and_unlock(fs);
	metric_add(&fs->metrics, METRIC_EXPIRIES, 1);
	metric_threads(&fs->metrics, -1, 1);
}

void ledger_ready(struct fs *fs)
{
	pthread_mutex_lock(&fs->ledger->lock);
	bool begun = fs->ledger->begun;
	pthread_mutex_unlock(&fs->ledger->lock);
	if (!begun)
		ledger_settle(fs);
}

void ledger_entered(struct fs *fs, enum ledger_cause cause, const char *id,
	const struct thread_info *info, const char *detail)
{
	struct ledger_entry line = line_make(fs, cause, id, info, detail);
	if (cause == LEDGER_DELETED) {
		metric_add(&fs->metrics, METRIC_DELETES, 1);
		metric_threads(&fs->metrics, -1, 0);
	} else if (cause == LEDGER_RESTORED) {
		metric_add(&fs->metrics, METRIC_RESTORES, 1);
		metric_threads(&fs->metrics, 1, -1);
	}
	copy_lines(fs, &line, 1);
}

void ledger_lost(struct fs *fs, const struct thread_info *info)
{
	struct ledger_entry line = line_make(fs, LEDGER_LOST, info->id, info, "");
	metric_add(&fs->metrics, METRIC_LOSSES, 1);
	metric_threads(&fs->metrics, -1, 0);
	ledger_ready(fs);
	if (store_lines(fs, &line, 1) == 0)
		return;
	pthread_mutex_lock(&fs->ledger->lock);
	push_line(fs->ledger, &line);
	pthread_mutex_unlock(&fs->ledger->lock);
}

size_t ledger_refused(struct fs *fs, struct ledger_entry **ret)
{
	struct ledger *ledger = fs->ledger;
	pthread_mutex_lock(&ledger->lock);
	size_t count = ledger->line_count;
	*ret = count ? reallocarray(NULL, count, sizeof **ret) : NULL;
	if (*ret)
		memcpy(*ret, ledger->lines, count * sizeof **ret);
	pthread_mutex_unlock(&ledger->lock);
	return *ret ? count : 0;
}

void ledger_purged(struct fs *fs)
{
	struct ledger_page page;
	pthread_mutex_lock(&fs->ledger->lock);
	uint64_t after = fs->ledger->purged_seq;
	pthread_mutex_unlock(&fs->ledger->lock);
	if (store_ledger_list(fs->store, after, PAGE, &page) < 0)
		return;
	int count = 0;
	for (size_t i = 0; i < page.count; i++)
		count += page.items[i].cause == LEDGER_PURGED;
	pthread_mutex_lock(&fs->ledger->lock);
	if (page.count)
		fs->ledger->purged_seq = page.items[page.count - 1].seq;
	pthread_mutex_unlock(&fs->ledger->lock);
	ledger_page_done(&page);
	metric_add(&fs->metrics, METRIC_ERASURES, (uint64_t)count);
	metric_threads(&fs->metrics, 0, -count);
}
