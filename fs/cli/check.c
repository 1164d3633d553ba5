/* turnfs check: verifies all that a store has, beside a mount of it or without one. */
#include "backend.h"
#include "base/cleanup.h"
#include "cli.h"
#include "command.h"
#include "store_look.h"
#include "told.h"
#include "where.h"

#include <errno.h>
#include <string.h>

static const char help[] =
	"usage: turnfs check [WHERE]\n"
	"\n"
	"Verifies every row of a store, mounted or not; it changes nothing. What is damaged is\n"
	"named, line by line, on stderr; all the rest can still be read.\n"
	"WHERE is a mountpoint or a store; without it the only mount, else the default store.\n"
	"\n"
	"  -h, --help         -V, --version\n"
	"\n"
	"exit status: 0 nothing is damaged, 1 something is (or it could not be read), 2 usage\n";

struct progress {
	bool terminal;
	int shown; /* per cent */
};

static bool show_progress(void *arg, uint64_t done, uint64_t total)
{
	struct progress *progress = arg;
	int percent = total ? (int)(done * 100 / total) : 0;
	if (percent > 100)
		percent = 100;
	if (progress->terminal && percent != progress->shown) {
		fprintf(stderr, "\rverifying: %d %%", percent);
		fflush(stderr);
		progress->shown = percent;
	}
	return false;
}

/* A file beside whoever has it, a server as everybody reads it. */
static int open_store(const struct store_name *name, struct store **ret, struct errtext *error)
{
	const struct store_options peek = {.read_only = true, .peek = true, .timeout_ms = 5000};
	return name->kind == STORE_KIND_SERVER ? store_look(name, ret, error)
					       : store_open_named(name->where, &peek, ret, error);
}

static int check_store(const struct store_name *name)
{
	struct progress progress = {.terminal = isatty(STDERR_FILENO), .shown = -1};
	struct errtext error = {""};
	struct store *store = NULL;
	uint64_t damaged;
	if (open_store(name, &store, &error) < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	int rc = store_check(store, show_progress, &progress, &damaged, &error);
	store_close(store);
	if (progress.shown >= 0)
		fprintf(stderr, "\r%*s\r", 20, "");
	if (rc < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	printf("ok: %s\n", error.text);
	return CLI_DONE;
}

static int check_named(const struct store_name *name)
{
	if (name->kind == STORE_KIND_MEMORY)
		return cli_fail(CLI_USAGE, "a store in memory has nothing that could be verified");
	return check_store(name);
}

/* The store's name in a mount's config, with the options that tell where in it to look. */
static char *storage_of(const struct blob *config)
{
	static const char *const options[] = {"prefix", "layout", "match"};
	char *name = told_value(config, "storage");
	for (size_t i = 0; name && i < sizeof options / sizeof *options; i++) {
		CLEAN_FREE char *value = told_value(config, options[i]);
		if (!value || !strcmp(value, "own"))
			continue;
		CLEAN_FREE char *before = name;
		if (asprintf(&name, "%s%c%s=%s", before, strchr(before, '?') ? '&' : '?',
			    options[i], value) < 0)
			name = NULL;
	}
	return name;
}

/* The store behind a mount, as its config names it. */
static int check_mounted(const char *mountpoint)
{
	CLEAN_BLOB struct blob *config = NULL;
	struct errtext error = {""};
	struct store_name name;
	int rc = told_read(mountpoint, "config", &config);
	CLEAN_FREE char *storage = rc < 0 ? NULL : storage_of(config);
	if (rc < 0)
		told_trouble(mountpoint, rc, &error);
	else if (!storage)
		errtext_set(&error, -EBADMSG, "%s does not say what its store is", mountpoint);
	if (!storage)
		return cli_fail(CLI_FAILED, "%s", error.text);
	if (store_name_parse(storage, &name, &error) < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	int status = check_named(&name);
	store_name_done(&name);
	return status;
}

static int check(const char *argument)
{
	struct errtext error = {""};
	struct where where = {0};
	if (where_resolve(argument, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int status = where.mountpoint ? check_mounted(where.mountpoint) : check_named(&where.store);
	where_done(&where);
	return status;
}

int command_check(int argc, char **argv)
{
	const char *where = NULL;
	const struct command command = {
		.usage = "turnfs check [WHERE]", .help = help, .operands = {&where}};
	int status;
	return command_read(&command, argc, argv, &status) ? check(where) : status;
}
