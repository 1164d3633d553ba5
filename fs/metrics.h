/*
 * What is counted for .turnfs/metrics. Counters are atomics of their own, without any lock: adding
 * to one costs a few ns, and a reader sees each by itself, not all of one moment.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct blob;
struct fs;

enum metric {
	METRIC_TURNS_APPENDED, /* new turns, however they were written */
	METRIC_BYTES_WRITTEN,
	METRIC_BYTES_READ,
	METRIC_EXPIRIES,
	METRIC_RESTORES,
	METRIC_DELETES,
	METRIC_ERASURES, /* after their grace */
	METRIC_LOSSES, /* threads whose data the store has lost */
	METRIC_RECONNECTS,
	METRIC_CACHE_DROPS,
	METRIC_EXPIRED_LOOKUPS, /* somebody asked for a thread that has expired */
	METRIC_COUNT
};

enum operation {
	OPERATION_LOOKUP,
	OPERATION_GETATTR,
	OPERATION_SETATTR,
	OPERATION_MKNOD,
	OPERATION_MKDIR,
	OPERATION_UNLINK,
	OPERATION_RMDIR,
	OPERATION_RENAME,
	OPERATION_OPEN,
	OPERATION_CREATE,
	OPERATION_READ,
	OPERATION_WRITE,
	OPERATION_FLUSH,
	OPERATION_FSYNC,
	OPERATION_RELEASE,
	OPERATION_OPENDIR,
	OPERATION_READDIR,
	OPERATION_READDIRPLUS,
	OPERATION_STATFS,
	OPERATION_SETXATTR,
	OPERATION_GETXATTR,
	OPERATION_LISTXATTR,
	OPERATION_REMOVEXATTR,
	OPERATION_COUNT
};

enum { METRIC_BUCKETS = 16, METRIC_ERRNO_MAX = 134 };

struct histogram {
	atomic_ullong buckets[METRIC_BUCKETS + 1]; /* the last one: more than every bound */
	atomic_ullong sum_ns;
};

struct metrics {
	atomic_ullong counters[METRIC_COUNT];
	atomic_ullong operations[OPERATION_COUNT];
	atomic_ullong errors[METRIC_ERRNO_MAX]; /* by errno */
	struct histogram commit, read;
	atomic_llong live, grace; /* threads: kept up by who makes and ends them */
	atomic_ullong moves; /* how often they were */
};

static inline void metric_add(struct metrics *metrics, enum metric which, uint64_t more)
{
	atomic_fetch_add_explicit(&metrics->counters[which], more, memory_order_relaxed);
}

static inline void metric_operation(struct metrics *metrics, enum operation which)
{
	atomic_fetch_add_explicit(&metrics->operations[which], 1, memory_order_relaxed);
}

/* An answer of -errno; others are not counted. */
static inline void metric_error(struct metrics *metrics, int rc)
{
	if (rc < 0 && -rc < METRIC_ERRNO_MAX)
		atomic_fetch_add_explicit(&metrics->errors[-rc], 1, memory_order_relaxed);
}

/* Live threads and threads in grace came or went. */
static inline void metric_threads(struct metrics *metrics, int live, int grace)
{
	atomic_fetch_add_explicit(&metrics->live, live, memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->grace, grace, memory_order_relaxed);
	atomic_fetch_add_explicit(&metrics->moves, 1, memory_order_relaxed);
}

/* Monotonic ns, for metric_took(). */
int64_t metric_now_ns(void);

/* Something that began then has ended now. */
void metric_took(struct histogram *histogram, int64_t begun_ns);

/* The text of .turnfs/metrics, in Prometheus's format 0.0.4. 0 or -ENOMEM. */
int metrics_text(struct fs *fs, struct blob **ret);
