/* .turnfs/health: one word, then a sentence each. */
#include "health.h"

#include "work.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	VERIFY_MAX = 200, /* threads whose deadline is asked of the store before answering */
	RECOUNT_MS = 2000,
	RECOUNTS_MAX = 8,
	RECOUNT_PAUSE_MS = 100, /* between two counts of what others may have changed, */
	RECOUNT_SHARE = 20, /* and so many times what the last one took */
	PAGE = 1000,
};

void health_found(struct fs *fs, const struct thread_info *info, bool live)
{
	atomic_fetch_add(live ? &fs->metrics.live : &fs->metrics.grace, 1);
	if (!live)
		return;
	fs->start.threads++;
	fs->start.turns += info->turns;
}

/* How many there are of a state, by a walk over all of them; -1: the store cannot be read. */
static long long count_state(struct fs *fs, enum thread_state state)
{
	long long count = 0;
	uint64_t after = 0;
	for (bool more = true; more && !fs->ending;) {
		struct thread_page page;
		if (store_thread_list(fs->store, state, after, PAGE, &page) < 0)
			return -1;
		count += (long long)page.count;
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].gen;
		thread_page_done(&page);
	}
	return count;
}

void health_loaded(struct fs *fs)
{
	unsigned long long counted = 0;
	for (int i = 0; i < RECOUNTS_MAX; i++) {
		unsigned long long moves = atomic_load(&fs->metrics.moves);
		if (moves == counted)
			return;
		counted = moves;
		long long live = count_state(fs, THREAD_LIVE);
		long long grace = count_state(fs, THREAD_GRACE);
		if (live < 0 || grace < 0 || atomic_load(&fs->metrics.moves) != moves)
			continue;
		atomic_store(&fs->metrics.live, live);
		atomic_store(&fs->metrics.grace, grace);
	}
}

void health_count_again(struct fs *fs)
{
	atomic_store(&fs->recount.wanted, true);
}

bool health_recount(struct fs *fs)
{
	int64_t begun = metric_now_ns() / 1000000;
	if (!atomic_load(&fs->recount.wanted) || !atomic_load(&fs->deadlines_loaded))
		return false;
	if (begun < fs->recount.next_ms)
		return true;
	atomic_store(&fs->recount.wanted, false);
	unsigned long long moves = atomic_load(&fs->metrics.moves);
	long long live = count_state(fs, THREAD_LIVE);
	long long grace = live < 0 ? -1 : count_state(fs, THREAD_GRACE);
	int64_t ended = metric_now_ns() / 1000000;
	fs->recount.next_ms = ended + RECOUNT_PAUSE_MS + RECOUNT_SHARE * (ended - begun);
	if (grace < 0 || atomic_load(&fs->metrics.moves) != moves) {
		health_count_again(fs);
		return true;
	}
	atomic_store(&fs->metrics.live, live);
	atomic_store(&fs->metrics.grace, grace);
	return false;
}

/* The deadlines of the heap that are not past `until_ms`: how many, or max + 1 if they are more. */
static size_t heap_until(const struct fs *fs, int64_t until_ms, struct deadline *ret, size_t max)
{
	size_t stack[256], depth = 0, count = 0;
	if (fs->deadlines.count)
		stack[depth++] = 0;
	while (depth) {
		size_t i = stack[--depth];
		if (fs->deadlines.items[i].at_ms > until_ms)
			continue;
		if (count < max)
			ret[count] = fs->deadlines.items[i];
		if (++count > max)
			break;
		for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
			if (child < fs->deadlines.count)
				stack[depth++] = child; /* no deeper than twice the heap's depth */
	}
	return count;
}

static int by_gen(const void *a, const void *b)
{
	const struct deadline *one = a, *other = b;
	return (one->gen > other->gen) - (one->gen < other->gen);
}

/* Whether that thread's deadline, as it is now, is within the time of warning. 1, 0 or -errno. */
static int is_expiring(struct fs *fs, uint64_t gen, int64_t now_ms)
{
	struct thread_info info;
	int rc = store_thread_stat(fs->store, (struct thread_ref){"", gen}, &info);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	return info.deadline_ms > now_ms && info.deadline_ms - now_ms <= fs->options->warn_ms;
}

/* The heap knows when a thread expires at the earliest; which of those do is for the store. */
static long long count_expiring(struct fs *fs, struct deadline *near, size_t count)
{
	long long expiring = 0;
	int64_t now = store_now_ms(fs->store);
	qsort(near, count, sizeof *near, by_gen);
	for (size_t i = 0; i < count && !fs->ending; i++) {
		if (i && near[i].gen == near[i - 1].gen)
			continue;
		int rc = is_expiring(fs, near[i].gen, now);
		if (rc == -ETIMEDOUT)
			break; /* the store is away: it would be waited for each time */
		expiring += rc > 0;
	}
	return expiring;
}

static void recount_run(struct fs *fs, struct work *work)
{
	free(work);
	int64_t until = store_now_ms(fs->store) + fs->options->warn_ms;
	fs_lock(fs);
	size_t room = fs->deadlines.count;
	struct deadline *near = room ? reallocarray(NULL, room, sizeof *near) : NULL;
	size_t count = near ? heap_until(fs, until, near, room) : 0;
	fs_unlock(fs);
	if (count)
		atomic_store(&fs->expiring.count, count_expiring(fs, near, count));
	free(near);
	atomic_store(&fs->expiring.counted_ms, clock_now_ms(clock_steady()));
	atomic_store(&fs->expiring.counting, false);
}

/* Too many to ask for now: the pool counts them, the next one who asks gets the number. */
static void recount_submit(struct fs *fs)
{
	int64_t now = clock_now_ms(clock_steady());
	if (now - atomic_load(&fs->expiring.counted_ms) < RECOUNT_MS ||
		atomic_exchange(&fs->expiring.counting, true))
		return;
	struct work *work = calloc(1, sizeof *work);
	if (!work) {
		atomic_store(&fs->expiring.counting, false);
		return;
	}
	work->run = recount_run;
	work_submit(fs, work);
}

void health_threads(struct fs *fs, struct health_threads *ret)
{
	struct deadline near[VERIFY_MAX];
	int64_t until = store_now_ms(fs->store) + fs->options->warn_ms;
	fs_lock(fs);
	size_t count = heap_until(fs, until, near, VERIFY_MAX);
	fs_unlock(fs);
	*ret = (struct health_threads){
		.live = atomic_load(&fs->metrics.live),
		.expired = atomic_load(&fs->metrics.grace),
	};
	if (count <= VERIFY_MAX) {
		ret->expiring = count_expiring(fs, near, count);
	} else {
		recount_submit(fs);
		ret->expiring = atomic_load(&fs->expiring.count);
	}
	if (ret->expiring > ret->live)
		ret->expiring = ret->live;
}

static const char *plural(unsigned long long count)
{
	return count == 1 ? "" : "s";
}

static void print_threads(FILE *out, struct fs *fs)
{
	struct health_threads threads;
	char warn[TEXT_TIME_MAX];
	health_threads(fs, &threads);
	text_span_format(fs->options->warn_ms, warn);
	fprintf(out,
		"threads: %lld live, %lld of them within %s of their deadline (.turnfs/expiring); "
		"%lld expired and still restorable (.turnfs/expired).\n",
		threads.live, threads.expiring, warn, threads.expired);
	if (fs->store->ops->volatile_store)
		fprintf(out, "recovered at start: nothing, a store in memory begins empty.\n");
	else if (fs->store->ops->shared && !fs->start.turns) /* nobody has read them */
		fprintf(out, "recovered at start: %llu thread%s.\n",
			(unsigned long long)fs->start.threads, plural(fs->start.threads));
	else
		fprintf(out, "recovered at start: %llu thread%s with %llu turn%s.\n",
			(unsigned long long)fs->start.threads, plural(fs->start.threads),
			(unsigned long long)fs->start.turns, plural(fs->start.turns));
}

static void print_ttl(FILE *out, const struct mount_options *options)
{
	char ttl[TEXT_TIME_MAX], grace[TEXT_TIME_MAX];
	text_span_format(options->ttl_ms, ttl);
	text_span_format(options->grace_ms, grace);
	if (options->ttl_ms == STORE_TTL_NEVER)
		fprintf(out, "ttl: new threads never expire");
	else
		fprintf(out, "ttl: new threads expire %s after their last write", ttl);
	if (options->grace_ms)
		fprintf(out, "; expired ones can be restored for %s (grace).\n", grace);
	else
		fprintf(out, "; expired ones are erased at once (grace=0).\n");
}

/* An error that is over must not look like one that is there. */
static void print_last_error(FILE *out, bool present)
{
	char error[1200];
	log_last_error(error, sizeof error);
	if (!error[0])
		fprintf(out, "last error: none since the start.\n");
	else
		fprintf(out, "last error: %s: %s\n", present ? "it may still be so" : "it is over",
			error);
}

static void print_uptime(FILE *out, struct fs *fs)
{
	char since[TEXT_TIME_MAX], up[TEXT_TIME_MAX], booted[TEXT_TIME_MAX], id[64] = "unknown";
	int64_t now = clock_wall_ns();
	struct timespec boot;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	text_time_s(fs->start.wall_ns, since);
	text_span_rough(store_now_ms(fs->store) - fs->start.ms, up);
	text_time_s(now - (int64_t)boot.tv_sec * 1000000000, booted);
	CLEAN_FILE FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (file && fscanf(file, "%63s", id) != 1)
		snprintf(id, sizeof id, "unknown");
	fprintf(out, "uptime: mounted for %s, since %s.\n", up, since);
	fprintf(out, "boot: the machine booted at %s (boot id %s).\n", booted, id);
}

/* Each sentence ends with a full stop, whoever wrote it. */
static void print_sentence(FILE *out, const char *key, const char *text)
{
	size_t length = strlen(text);
	fprintf(out, "%s: %s%s\n", key, text, length && text[length - 1] == '.' ? "" : ".");
}

int health_text(struct fs *fs, struct blob **ret)
{
	static const char *const words[] = {"ok", "degraded", "failed"};
	struct store_health health;
	char *text = NULL;
	size_t size;
	int rc = store_health(fs->store, false, &health);
	if (rc < 0)
		return rc;
	unsigned long long losses = atomic_load(&fs->metrics.counters[METRIC_LOSSES]);
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	fprintf(out, "%s\n", words[health.state]);
	print_sentence(out, "storage", health.storage);
	print_sentence(out, "durability", health.durability);
	if (health.problem[0])
		print_sentence(out, "problem", health.problem);
	print_ttl(out, fs->options);
	print_threads(out, fs);
	if (losses)
		fprintf(out,
			"losses: %llu thread%s lost by the store since the start; "
			".turnfs/ledger.jsonl names %s.\n",
			losses, plural(losses), losses == 1 ? "it" : "them");
	print_sentence(out, "check", health.check);
	print_last_error(out, health.state == HEALTH_FAILED || atomic_load(&fs->store_error));
	print_uptime(out, fs);
	*ret = blob_of_stream(out, &text, &size);
	return *ret ? 0 : -ENOMEM;
}
