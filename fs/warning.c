/*
 * The warning before the deadline. A second heap keeps, for each thread, when to look at it next:
 * when it is to come near its deadline; once it has been named, at that deadline, to see whether it
 * was renewed. So a tick costs what is due, however many threads there are.
 *
 * A thread is named once a mount, and again when a renewal took it out of reach of its deadline for
 * a while. One whose ttl is shorter than `warn` is near from the beginning: named once, for good.
 */
#include "warning.h"

#include "expiry.h"

#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>

enum {
	SLICE = 128, /* looked at in one go; what expires comes first */
	LINES_MAX = 1000, /* named in a second; the log is not to be drowned */
};

struct warned {
	uint64_t gen;
	int64_t deadline_ms;
	bool unhashed; /* table.h */
	UT_hash_handle hh;
};

/* A thread that is looked at. */
struct near {
	char id[STORE_NAME_MAX + 1];
	uint64_t gen;
	int64_t deadline_ms, ttl_ms;
};

void warning_add(struct fs *fs, uint64_t gen, int64_t deadline_ms)
{
	if (fs->options->warn_ms > 0 && deadline_ms != STORE_DEADLINE_NEVER)
		deadlines_push(&fs->warnings.heap, deadline_ms - fs->options->warn_ms, gen);
}

static struct warned *warned_find(struct fs *fs, uint64_t gen)
{
	struct warned *warned;
	HASH_FIND(hh, fs->warnings.said, &gen, sizeof gen, warned);
	return warned;
}

static void warned_forget(struct fs *fs, uint64_t gen)
{
	struct warned *warned = warned_find(fs, gen);
	if (!warned)
		return;
	HASH_DEL(fs->warnings.said, warned);
	free(warned);
}

/* Whether it is to be named, which is remembered. fs->lock held. */
static bool warned_now(struct fs *fs, const struct near *near)
{
	struct warned *warned = warned_find(fs, near->gen);
	bool renewed = warned && warned->deadline_ms != near->deadline_ms;
	bool first = !warned;
	if (first) {
		warned = calloc(1, sizeof *warned);
		if (!warned)
			return false;
		warned->gen = near->gen;
		HASH_ADD(hh, fs->warnings.said, gen, sizeof warned->gen, warned);
		if (warned->unhashed) {
			free(warned);
			return false;
		}
	}
	warned->deadline_ms = near->deadline_ms;
	return first || (renewed && near->ttl_ms > fs->options->warn_ms);
}

static void say(struct fs *fs, const struct near *near, int64_t now)
{
	char time[TEXT_TIME_MAX], left[TEXT_TIME_MAX];
	if (fs->warnings.lines >= LINES_MAX) {
		fs->warnings.unsaid++;
		return;
	}
	fs->warnings.lines++;
	text_time_s(near->deadline_ms * 1000000, time);
	text_span_rough(near->deadline_ms - now + 999, left);
	log_notice("thread %s: expires at %s, in %s; a write or `touch` renews it", near->id, time,
		left);
}

/* A new second: what was too much for the last one is told in one line. */
static void count_lines(struct fs *fs, int64_t now)
{
	if (now - fs->warnings.counted_ms < 1000)
		return;
	if (fs->warnings.unsaid)
		log_notice("%zu more threads expire soon; .turnfs/expiring lists them",
			fs->warnings.unsaid);
	fs->warnings.counted_ms = now;
	fs->warnings.lines = fs->warnings.unsaid = 0;
}

/* What the kernel knows of needs no question to the store. 0 or -errno. */
static int near_load(struct fs *fs, uint64_t gen, struct near *ret)
{
	ret->gen = gen;
	fs_lock(fs);
	struct thread *thread = thread_by_gen(fs, gen);
	if (thread) {
		snprintf(ret->id, sizeof ret->id, "%s", thread->id->text);
		ret->deadline_ms = thread->deadline_ms;
		ret->ttl_ms = thread->ttl_ms;
	}
	fs_unlock(fs);
	if (thread)
		return 0;
	struct thread_info info;
	int rc = store_thread_stat(fs->store, (struct thread_ref){"", gen}, &info);
	if (rc < 0)
		return rc;
	snprintf(ret->id, sizeof ret->id, "%s", info.id);
	ret->deadline_ms = info.deadline_ms;
	ret->ttl_ms = info.ttl_ms;
	return 0;
}

/* False: the store is away. */
static bool look_at(struct fs *fs, uint64_t gen, int64_t now)
{
	struct near near;
	int rc = near_load(fs, gen, &near);
	bool gone = rc == -ENOENT || (!rc && near.deadline_ms <= now);
	bool speak = false;
	fs_lock(fs);
	if (rc < 0 && !gone) {
		deadlines_push(&fs->warnings.heap, now + 1000, gen); /* the store is away */
	} else if (gone || near.deadline_ms - fs->options->warn_ms > now) {
		warned_forget(fs, gen);
		if (!gone)
			warning_add(fs, gen, near.deadline_ms);
	} else {
		speak = warned_now(fs, &near);
		deadlines_push(&fs->warnings.heap, near.deadline_ms, gen);
	}
	fs_unlock(fs);
	if (speak)
		say(fs, &near, now);
	return rc >= 0 || gone;
}

bool warning_due(struct fs *fs)
{
	int64_t now = store_now_ms(fs->store);
	count_lines(fs, now);
	for (int i = 0; i < SLICE; i++) {
		struct deadline d;
		fs_lock(fs);
		bool due = deadlines_pop(&fs->warnings.heap, now, &d);
		fs_unlock(fs);
		if (!due)
			return false;
		if (!look_at(fs, d.gen, now) || fs->ending)
			return false;
	}
	return true;
}

void warning_done(struct fs *fs)
{
	struct warned *warned, *next;
	HASH_ITER (hh, fs->warnings.said, warned, next) {
		HASH_DEL(fs->warnings.said, warned);
		free(warned);
	}
	deadlines_done(&fs->warnings.heap);
}
