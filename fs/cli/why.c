/* turnfs why: what became of a thread, as .turnfs/why says it. */
#include "why_text.h"

#include "base/cleanup.h"
#include "cli.h"
#include "command.h"
#include "expired_names.h"
#include "ledger_copy.h"
#include "options.h"
#include "store_look.h"
#include "told.h"
#include "where.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
	"usage: turnfs why ID [WHERE]\n"
	"\n"
	"What became of a thread, and what to do: live until when; expired, deleted, renamed or\n"
	"lost, and when; whether and how it can be had back; or never seen.\n"
	"WHERE is a mountpoint or a store; without it the only mount, else the default store.\n"
	"\n"
	"  -h, --help         -V, --version\n"
	"\n"
	"exit status: 0 it is live, 1 it is not (or the store failed), 2 usage\n";

static int print(const struct blob *text, bool live)
{
	fwrite(blob_data(text), 1, blob_size(text), stdout);
	return live ? CLI_DONE : CLI_FAILED;
}

static int why_of_mount(const char *mountpoint, const char *id)
{
	CLEAN_BLOB struct blob *text = NULL;
	CLEAN_FREE char *name = NULL, *path = NULL;
	struct errtext error = {""};
	struct stat info;
	if (asprintf(&name, "why/%s", id) < 0 || asprintf(&path, "%s/%s", mountpoint, id) < 0)
		return cli_fail(CLI_FAILED, "out of memory");
	int rc = told_read(mountpoint, name, &text);
	if (rc < 0) {
		told_trouble(mountpoint, rc, &error);
		return cli_fail(CLI_FAILED, "%s", error.text);
	}
	return print(text, lstat(path, &info) == 0);
}

/* What a mount would use that is not told otherwise; and what this machine remembers. */
static int defaults(const struct store_name *name, struct why_context *context,
	struct ledger_entry **ret_copy, struct errtext *error)
{
	struct cli_options options;
	int rc = store_look_options(name, &options, error);
	if (!rc)
		rc = options_set_hours(&options, getenv("CONVERSATION_TIMEOUT_HOURS"), error);
	context->ttl_ms = options.mount.ttl_ms;
	context->grace_ms = options.mount.grace_ms;
	CLEAN_FREE char *path = rc ? NULL : store_look_ledger_copy(name, &options);
	context->copy_count = ledger_copy_read(path, ret_copy);
	context->copy = *ret_copy;
	options_done(&options);
	return rc;
}

static int why_in(struct store *store, const char *id, struct why_context *context)
{
	CLEAN_BLOB struct blob *text = NULL;
	struct expired_names names;
	bool live;
	int rc = expired_names_load(store, &names);
	if (!rc) {
		context->grace_gen = expired_names_find(&names, id);
		context->start_ms = store_now_ms(store);
		expired_names_done(&names);
		rc = why_text(store, id, context, &text, &live);
	}
	if (rc < 0)
		return cli_fail(CLI_FAILED, "the store cannot be read: %s", strerror(-rc));
	return print(text, live);
}

static int why_of_store(const struct store_name *name, const char *id)
{
	struct why_context context = {.storage = name->shown};
	struct errtext error = {""};
	struct store *store = NULL;
	CLEAN_FREE struct ledger_entry *ledger_copy = NULL;
	if (defaults(name, &context, &ledger_copy, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	if (store_look(name, &store, &error) < 0)
		return cli_fail(
			name->kind == STORE_KIND_MEMORY ? CLI_USAGE : CLI_FAILED, "%s", error.text);
	int status = why_in(store, id, &context);
	store_close(store);
	return status;
}

static int why(const char *id, const char *argument)
{
	struct errtext error = {""};
	struct where where = {0};
	if (!cli_is_thread(id))
		return CLI_USAGE;
	if (where_resolve(argument, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int status = where.mountpoint ? why_of_mount(where.mountpoint, id)
				      : why_of_store(&where.store, id);
	where_done(&where);
	return status;
}

int command_why(int argc, char **argv)
{
	const char *id = NULL, *where = NULL;
	const struct command command = {
		.usage = "turnfs why ID [WHERE]", .help = help, .operands = {&id, &where}};
	int status;
	if (!command_read(&command, argc, argv, &status))
		return status;
	if (!id)
		return cli_fail(CLI_USAGE, "of which thread? %s", command.usage);
	return why(id, where);
}
