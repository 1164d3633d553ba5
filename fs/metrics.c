/* .turnfs/metrics: Prometheus's text format,
 * https://prometheus.io/docs/instrumenting/exposition_formats */
#include "metrics.h"

#include "health.h"

#include <string.h>
#include <time.h>

/* Upper bounds, ns: 50 µs to 5 s. */
static const int64_t bounds[METRIC_BUCKETS] = {50000, 100000, 250000, 500000, 1000000, 2500000,
	5000000, 10000000, 25000000, 50000000, 100000000, 250000000, 500000000, 1000000000,
	2500000000, 5000000000};

static const char *const operation_names[OPERATION_COUNT] = {
	[OPERATION_LOOKUP] = "lookup",
	[OPERATION_GETATTR] = "getattr",
	[OPERATION_SETATTR] = "setattr",
	[OPERATION_MKNOD] = "mknod",
	[OPERATION_MKDIR] = "mkdir",
	[OPERATION_UNLINK] = "unlink",
	[OPERATION_RMDIR] = "rmdir",
	[OPERATION_RENAME] = "rename",
	[OPERATION_OPEN] = "open",
	[OPERATION_CREATE] = "create",
	[OPERATION_READ] = "read",
	[OPERATION_WRITE] = "write",
	[OPERATION_FLUSH] = "flush",
	[OPERATION_FSYNC] = "fsync",
	[OPERATION_RELEASE] = "release",
	[OPERATION_OPENDIR] = "opendir",
	[OPERATION_READDIR] = "readdir",
	[OPERATION_READDIRPLUS] = "readdirplus",
	[OPERATION_STATFS] = "statfs",
	[OPERATION_SETXATTR] = "setxattr",
	[OPERATION_GETXATTR] = "getxattr",
	[OPERATION_LISTXATTR] = "listxattr",
	[OPERATION_REMOVEXATTR] = "removexattr",
};

static const struct {
	const char *name, *help;
} counters[METRIC_COUNT] = {
	[METRIC_TURNS_APPENDED] = {"turns_appended", "New turns, however they were written."},
	[METRIC_BYTES_WRITTEN] = {"written_bytes", "Bytes that write() has taken."},
	[METRIC_BYTES_READ] = {"read_bytes", "Bytes that read() has given."},
	[METRIC_EXPIRIES] = {"expiries", "Threads that reached their deadline."},
	[METRIC_RESTORES] = {"restores", "Expired threads that were brought back."},
	[METRIC_DELETES] = {"deletes", "Threads that were removed by rmdir."},
	[METRIC_ERASURES] = {"erasures", "Expired threads erased after their grace."},
	[METRIC_LOSSES] = {"losses", "Threads whose data the store has lost."},
	[METRIC_RECONNECTS] = {"reconnects", "Times the store was connected to again."},
	[METRIC_CACHE_DROPS] = {"cache_drops", "Times every cache was dropped."},
	[METRIC_EXPIRED_LOOKUPS] = {"expired_lookups",
		"Lookups of threads that are not there because they have expired."},
};

int64_t metric_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void metric_took(struct histogram *histogram, int64_t begun_ns)
{
	int64_t ns = metric_now_ns() - begun_ns;
	int i = 0;
	while (i < METRIC_BUCKETS && ns > bounds[i])
		i++;
	atomic_fetch_add_explicit(&histogram->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum_ns, (unsigned long long)ns, memory_order_relaxed);
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP turnfs_%s %s\n# TYPE turnfs_%s %s\n", name, help, name, type);
}

static void print_counters(FILE *out, struct metrics *metrics)
{
	char name[64];
	for (int i = 0; i < METRIC_COUNT; i++) {
		snprintf(name, sizeof name, "%s_total", counters[i].name);
		print_head(out, name, "counter", counters[i].help);
		fprintf(out, "turnfs_%s %llu\n", name, atomic_load(&metrics->counters[i]));
	}
}

static void print_operations(FILE *out, struct metrics *metrics)
{
	print_head(out, "operations_total", "counter", "Requests of the kernel, by kind.");
	for (int i = 0; i < OPERATION_COUNT; i++)
		fprintf(out, "turnfs_operations_total{op=\"%s\"} %llu\n", operation_names[i],
			atomic_load(&metrics->operations[i]));
	print_head(out, "errors_total", "counter", "Requests answered with an error, by errno.");
	for (int i = 1; i < METRIC_ERRNO_MAX; i++) {
		unsigned long long count = atomic_load(&metrics->errors[i]);
		const char *name = count ? strerrorname_np(i) : NULL;
		if (name)
			fprintf(out, "turnfs_errors_total{errno=\"%s\"} %llu\n", name, count);
	}
}

/* The buckets are read once: what the parts say is then consistent whatever is added meanwhile. */
static void print_histogram(
	FILE *out, const char *name, const char *help, struct histogram *histogram)
{
	unsigned long long sum_ns = atomic_load(&histogram->sum_ns), total = 0;
	print_head(out, name, "histogram", help);
	for (int i = 0; i < METRIC_BUCKETS; i++) {
		total += atomic_load(&histogram->buckets[i]);
		fprintf(out, "turnfs_%s_bucket{le=\"%g\"} %llu\n", name, (double)bounds[i] / 1e9,
			total);
	}
	total += atomic_load(&histogram->buckets[METRIC_BUCKETS]);
	fprintf(out, "turnfs_%s_bucket{le=\"+Inf\"} %llu\n", name, total);
	fprintf(out, "turnfs_%s_sum %llu.%09llu\n", name, sum_ns / 1000000000, sum_ns % 1000000000);
	fprintf(out, "turnfs_%s_count %llu\n", name, total);
}

static void print_state(FILE *out, struct fs *fs)
{
	struct health_threads threads;
	health_threads(fs, &threads);
	print_head(out, "threads", "gauge",
		"Threads: live ones, those of them that expire soon, expired ones in grace.");
	fprintf(out,
		"turnfs_threads{state=\"live\"} %lld\n"
		"turnfs_threads{state=\"expiring\"} %lld\n"
		"turnfs_threads{state=\"expired\"} %lld\n",
		threads.live, threads.expiring, threads.expired);
	fs_lock(fs);
	size_t in_flight = fs->in_flight, known = HASH_COUNT(fs->files);
	fs_unlock(fs);
	print_head(out, "known_files", "gauge", "Files that the kernel keeps a name or pages of.");
	fprintf(out, "turnfs_known_files %zu\n", known);
	print_head(out, "uncommitted_bytes", "gauge", "Bytes written and not committed yet.");
	fprintf(out, "turnfs_uncommitted_bytes %zu\n", in_flight);
	struct store_health health;
	int rc = store_health(fs->store, false, &health);
	print_head(out, "healthy", "gauge", "1: ok, 0.5: degraded, 0: failed.");
	fprintf(out, "turnfs_healthy %s\n",
		rc < 0 || health.state == HEALTH_FAILED ? "0"
		: health.state == HEALTH_DEGRADED	? "0.5"
							: "1");
	print_head(out, "damaged_rows", "gauge", "Rows of the store that did not verify.");
	fprintf(out, "turnfs_damaged_rows %llu\n", rc < 0 ? 0 : (unsigned long long)health.damaged);
}

static void print_build(FILE *out, struct fs *fs)
{
	print_head(out, "build_info", "gauge", "Always 1; the version and the kind of store.");
	fprintf(out, "turnfs_build_info{version=\"%s\",store=\"%s\"} 1\n", TURNFS_VERSION,
		fs->store->ops->name);
	print_head(out, "start_time_seconds", "gauge", "When it was mounted, Unix time.");
	fprintf(out, "turnfs_start_time_seconds %.3f\n", (double)fs->start.wall_ns / 1e9);
}

int metrics_text(struct fs *fs, struct blob **ret)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	print_operations(out, &fs->metrics);
	print_histogram(out, "commit_seconds", "How long close() and fsync() took that commit.",
		&fs->metrics.commit);
	print_histogram(out, "read_seconds", "How long read() took.", &fs->metrics.read);
	print_counters(out, &fs->metrics);
	print_state(out, fs);
	print_build(out, fs);
	*ret = blob_of_stream(out, &text, &size);
	return *ret ? 0 : -ENOMEM;
}
