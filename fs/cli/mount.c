/* turnfs mount: checks what it can, becomes a daemon, opens the store and serves it. */
#include "mount.h"

#include "announcer.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cli.h"
#include "config.h"
#include "daemon.h"
#include "fuse_access.h"
#include "mountinfo.h"
#include "mountpoint.h"
#include "option_value.h"
#include "remote.h"
#include "request.h"
#include "service.h"
#include "store_look.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char help[] =
	"usage: turnfs mount [-o OPTION,…] [--env-file FILE] [-f] [-d] [STORE] MOUNTPOINT\n"
	"       turnfs mount                      list the mounts\n"
	"\n"
	"STORE is a path or sqlite:PATH, redis://…, rediss://… or redis+unix:///…, or memory: for\n"
	"tests. Without one: REDIS_URL, else the local store in $XDG_DATA_HOME/turnfs\n"
	"(~/.local/share/turnfs).\n"
	"Options may also stand behind it, as in 'PATH?ttl=7d&ro', or be written --ttl 7d.\n"
	"\n"
	"  ttl=TIME           threads expire so long after their last write: 90s 30m 24h 7d never\n"
	"                     (else CONVERSATION_TIMEOUT_HOURS, else 24h)\n"
	"  grace=TIME         how long an expired thread can be restored (24h)\n"
	"  warn=TIME          how long before it a thread is listed in .turnfs/expiring (1h)\n"
	"  sync=close|fsync   what makes a write durable (close)\n"
	"  max_file_size=SIZE the largest file: 512k 64M, at most 1G (64M)\n"
	"  timeout=TIME       how long a call may wait for Redis; how long to wait for a local "
	"store\n"
	"                     that another mount is just closing, at most 5s (5s)\n"
	"  announce=off|auto|on  tell inotify watchers of expiry and of others' turns (auto)\n"
	"  ro, rw, noexec, exec, allow_other, allow_root, uid=N, gid=N, umask=OCTAL\n"
	"  with Redis only: prefix=TEXT (turnfs:), layout=NAME, match=PATTERN, max_turns=N,\n"
	"                   replicas=N, allow_eviction\n"
	"\n"
	"  --env-file FILE    read REDIS_URL and CONVERSATION_TIMEOUT_HOURS from it\n"
	"  -f, --foreground   stay in the foreground, log to stderr\n"
	"  -d, --debug        the same, and log each request with its outcome, never content\n"
	"  -h, --help         -V, --version\n"
	"\n"
	"exit status: 0 it is mounted, 1 the store failed, 2 usage, 4 could not mount\n";

/* All that the daemon needs once the parent has checked it. */
struct run {
	struct mount_request *request;
	struct daemon daemon;
	const char *mountpoint;
	struct remote *remote; /* a server's: others change it too */
	struct store_health health; /* a server's, at mount */
	bool reported;
};

static int list_mounts(void)
{
	struct mount_table table;
	int rc = mount_table_read(MOUNTINFO_PATH, &table);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "cannot read %s: %s", MOUNTINFO_PATH, strerror(-rc));
	for (size_t i = 0; i < table.count; i++) {
		struct mount_entry *entry = &table.items[i];
		if (mount_entry_is_ours(entry))
			printf("%s on %s (%s)\n", terminal_clean(entry->source),
				terminal_clean(entry->mountpoint), entry->options);
	}
	mount_table_done(&table);
	return CLI_DONE;
}

/* What is mounted where, and when threads go; to be freed, or NULL. */
static char *ready_text(const struct run *run)
{
	const struct mount_request *request = run->request;
	const bool in_memory = request->store.kind == STORE_KIND_MEMORY;
	const bool never = request->options.mount.ttl_ms == STORE_TTL_NEVER;
	char ttl[TEXT_TIME_MAX];
	char *text = NULL;
	CLEAN_FREE char *store = terminal_clean(strdup(request->store.shown));
	CLEAN_FREE char *where = terminal_clean(strdup(run->mountpoint));
	text_span_format(request->options.mount.ttl_ms, ttl);
	const char *durability = run->health.durability;
	if (asprintf(&text,
		    "turnfs: %s is on %s\nturnfs: threads %s%s%s (ttl=%s; source: %s)%s\n%s%s%s",
		    store, where, never ? "never expire" : "expire ", never ? "" : ttl,
		    never ? "" : " after their last write", ttl, request->options.ttl_source,
		    in_memory ? "; they are in memory only: a restart loses all" : "",
		    durability[0] ? "turnfs: durability: " : "", durability,
		    durability[0] ? "\n" : "") < 0)
		return NULL;
	return text;
}

static void report_ready(void *arg)
{
	struct run *run = arg;
	CLEAN_FREE char *text = ready_text(run);
	run->reported = true;
	log_copy_to_stderr(false);
	service_notify("READY=1");
	daemon_report(&run->daemon, CLI_DONE, text ? text : "");
}

static int report_failure(struct run *run, int status, const struct errtext *error)
{
	char line[sizeof(error->text) + 16];
	snprintf(line, sizeof(line), "turnfs: %s\n", error->text);
	if (run->reported)
		log_error("%s", error->text);
	else
		daemon_report(&run->daemon, status, line);
	return status;
}

/* No core dumps, private files, a name that ps shows. */
static void harden_process(const struct mount_request *request)
{
	umask(077);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	prctl(PR_SET_NAME, "turnfs");
	if (request->store.is_secret)
		prctl(PR_SET_DUMPABLE, 0); /* a core_pattern with a pipe ignores the limit */
}

static int open_store(struct run *run, struct store **ret, struct errtext *error)
{
	const struct mount_request *request = run->request;
	const struct store_options options = {
		.read_only = request->options.mount.read_only,
		.create = !request->options.mount.read_only,
		.timeout_ms = request->options.mount.timeout_ms,
		.grace_ms = request->options.mount.grace_ms,
		.server = options_server(&request->options),
		.on_notice = run->remote ? remote_on_notice : NULL,
		.arg = run->remote,
	};
	if (request->store.is_default && options.create) {
		int rc = store_name_make_directory(&request->store, error);
		if (rc < 0)
			return rc;
	}
	return store_open_named(request->store.where, &options, ret, error);
}

static int serve(
	struct run *run, struct store *store, struct announcer *announcer, struct errtext *error)
{
	struct mount_options options = run->request->options.mount;
	CLEAN_FREE char *config =
		config_text(&run->request->options, &run->request->store, run->mountpoint);
	if (!config)
		return errtext_set(error, -ENOMEM, "out of memory");
	options.config = config;
	options.announcer = announcer;
	options.source = run->request->store.shown;
	options.remote = run->remote;
	CLEAN_FREE char *ledger_copy =
		store_look_ledger_copy(&run->request->store, &run->request->options);
	options.ledger_copy = ledger_copy;
	return mount_serve(store, &options, run->mountpoint, report_ready, run, error);
}

/* A server's store: what others change is told, and what it warns of is told to the terminal. */
static int prepare_server(struct run *run, struct errtext *error)
{
	if (run->request->store.kind != STORE_KIND_SERVER)
		return 0;
	log_copy_to_stderr(run->daemon.background);
	run->remote = remote_create();
	return run->remote ? 0 : errtext_set(error, -ENOMEM, "out of memory");
}

/* A server's URL or layout that makes no sense is a mistake in what was typed (C4). */
static int open_failure_status(const struct run *run, int rc)
{
	return rc == -EINVAL && run->request->store.kind == STORE_KIND_SERVER ? CLI_USAGE
									      : CLI_FAILED;
}

/* The daemon's whole life. Returns its exit status. */
static int live(struct run *run)
{
	struct store *store = NULL;
	struct errtext error = {""};
	harden_process(run->request);
	log_init(run->daemon.background,
		run->request->options.mount.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_NOTICE);
	struct announcer announcer; /* the first, so that it holds nothing of store and mount */
	int rc = announcer_start(&announcer, run->request->options.mount.announce);
	if (rc < 0)
		log_warning("watchers will hear nothing: %s", strerror(-rc));
	rc = prepare_server(run, &error);
	if (!rc)
		rc = open_store(run, &store, &error);
	if (!rc && run->remote)
		(void)store_health(store, false, &run->health);
	if (rc < 0) {
		announcer_stop(&announcer);
		remote_free(run->remote);
		return report_failure(run, open_failure_status(run, rc), &error);
	}
	rc = serve(run, store, &announcer, &error);
	announcer_stop(&announcer);
	service_notify("STOPPING=1");
	store_close(store);
	remote_free(run->remote);
	return rc < 0 ? report_failure(run, CLI_NO_MOUNT, &error) : CLI_DONE;
}

static void warn_of_root(bool allow_other)
{
	if (geteuid() == 0 && allow_other)
		cli_warn("running as root: what is mounted belongs to root, and others get in as "
			 "far as its modes let them: chmod, or mount with uid=, gid= and umask=");
	else if (geteuid() == 0)
		cli_warn(
			"running as root: what is mounted belongs to root and nobody else gets in; "
			"run turnfs as the user whose conversations these are");
}

static int mount_and_live(struct mount_request *request)
{
	struct run run = {.request = request};
	struct errtext error = {""};
	CLEAN_FREE char *mountpoint = NULL;
	const bool shared = request->options.mount.allow_other || request->options.mount.allow_root;
	int status = CLI_DONE;
	if (mountpoint_prepare(request->mountpoint, &request->store, &mountpoint, &error) < 0)
		return cli_fail(CLI_NO_MOUNT, "%s", error.text);
	if (fuse_access_check(shared, &error) < 0)
		return cli_fail(CLI_NO_MOUNT, "%s", error.text);
	if (request->fake)
		return CLI_DONE;
	run.mountpoint = mountpoint;
	warn_of_root(request->options.mount.allow_other);
	int rc = daemon_start(&run.daemon, !request->foreground, &status);
	if (rc < 0)
		return cli_fail(CLI_NO_MOUNT, "cannot start the daemon: %s", strerror(-rc));
	return rc > 0 ? status : live(&run);
}

int command_mount(int argc, char **argv)
{
	struct mount_request request;
	struct errtext error = {""};
	int status;
	if (mount_request_read(&request, argc, argv, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	if (request.help)
		status = fputs(help, stdout) < 0;
	else if (request.version)
		status = cli_version();
	else if (!request.mountpoint)
		status = list_mounts();
	else
		status = mount_and_live(&request);
	mount_request_done(&request);
	return status;
}
