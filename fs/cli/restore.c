/* turnfs restore: an expired thread back, through its mount or in the store itself. */
#include "base/cleanup.h"
#include "base/name.h"
#include "base/text.h"
#include "cli.h"
#include "command.h"
#include "expired_names.h"
#include "options.h"
#include "store_look.h"
#include "told.h"
#include "where.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char help[] =
	"usage: turnfs restore [--as NAME] ID [WHERE]\n"
	"\n"
	"Brings an expired thread back, whole and with a fresh time to live, as long as it is in\n"
	"its grace period. ID is its name in .turnfs/expired: of several lives of one thread the\n"
	"latest is ID, the ones before it are ID~2, ID~3 and so on.\n"
	"WHERE is a mountpoint or a store; without it the only mount, else the default store.\n"
	"\n"
	"  --as NAME   under another name\n"
	"  -h, --help         -V, --version\n"
	"\n"
	"exit status: 0 it is back, 1 it is not, 2 usage\n";

struct wish {
	const char *id, *as;
};

static int say_failed(const struct wish *wish, int rc, bool is_live)
{
	switch (rc) {
	case -ENOENT:
		return is_live ? cli_fail(CLI_FAILED, "%s has not expired: it is there", wish->id)
			       : cli_fail(CLI_FAILED,
					 "no expired thread %s can be had back: `turnfs list "
					 "--expired` lists those that can, `turnfs why %s` tells "
					 "what became of it",
					 wish->id, wish->id);
	case -EEXIST:
	case -ENOTEMPTY:
		return cli_fail(CLI_FAILED,
			"there is a live thread %s: restore this one under another name, `turnfs "
			"restore --as NAME %s`",
			wish->as, wish->id);
	case -EROFS:
		return cli_fail(CLI_FAILED,
			"%s cannot be restored, it is mounted read-only: mount it without -o ro",
			wish->id);
	default:
		return cli_fail(CLI_FAILED, "%s cannot be restored: %s", wish->id, strerror(-rc));
	}
}

static int say_restored(const struct wish *wish, const char *expires)
{
	printf("%s is back", wish->id);
	if (strcmp(wish->id, wish->as))
		printf(" as %s", wish->as);
	if (strcmp(expires, "never"))
		printf("; it expires at %s", expires);
	return puts("") < 0 ? CLI_FAILED : CLI_DONE;
}

/* The rename that mv -n would do, and no copying if it cannot. */
static int restore_in_mount(const char *mountpoint, const struct wish *wish)
{
	CLEAN_FREE char *from = NULL, *to = NULL, *live = NULL;
	struct stat info;
	char expires[TEXT_TIME_MAX] = "never";
	if (asprintf(&from, "%s/.turnfs/expired/%s", mountpoint, wish->id) < 0 ||
		asprintf(&to, "%s/%s", mountpoint, wish->as) < 0 ||
		asprintf(&live, "%s/%s", mountpoint, wish->id) < 0)
		return cli_fail(CLI_FAILED, "out of memory");
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0) {
		int rc = -errno;
		if (rc == -ENOTCONN)
			return cli_fail(CLI_FAILED, "%s does not answer: %s", mountpoint,
				told_strerror(rc));
		return say_failed(wish, rc, rc == -ENOENT && lstat(live, &info) == 0);
	}
	ssize_t size = getxattr(to, "user.turnfs.expires", expires, sizeof expires - 1);
	if (size > 0)
		expires[size] = '\0';
	return say_restored(wish, expires);
}

static int restore_in(struct store *store, const struct wish *wish)
{
	struct expired_names names;
	struct thread_info info;
	char expires[TEXT_TIME_MAX] = "never";
	int rc = expired_names_load(store, &names);
	uint64_t gen = 0;
	if (!rc) {
		gen = expired_names_find(&names, wish->id);
		expired_names_done(&names);
	}
	if (!rc && !gen)
		rc = -ENOENT;
	if (!rc)
		rc = store_thread_rename(store, (struct thread_ref){wish->id, gen}, wish->as, false,
			clock_wall_ns(), &info);
	if (rc < 0)
		return say_failed(
			wish, rc, rc == -ENOENT && !store_thread_find(store, wish->id, &info));
	if (info.deadline_ms != STORE_DEADLINE_NEVER)
		text_time_ns(info.deadline_ms * 1000000, expires);
	return say_restored(wish, expires);
}

static int restore_in_store(const struct store_name *name, const struct wish *wish)
{
	struct cli_options given;
	struct errtext error = {""};
	struct store *store = NULL;
	if (name->kind == STORE_KIND_MEMORY)
		return cli_fail(CLI_USAGE,
			"memory: is only where it is mounted: name the mountpoint; what was in one "
			"that is unmounted is lost");
	int rc = store_look_options(name, &given, &error);
	const struct store_options options = {
		.timeout_ms = given.mount.timeout_ms,
		.grace_ms = given.mount.grace_ms,
		.server = options_server(&given),
	};
	if (!rc)
		rc = store_open_named(name->where, &options, &store, &error);
	options_done(&given);
	if (rc == -EBUSY)
		return cli_fail(
			CLI_FAILED, "%s; restore through it: name its mountpoint", error.text);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	int status = restore_in(store, wish);
	store_close(store);
	return status;
}

static int restore(const struct wish *wish, const char *argument)
{
	struct errtext error = {""};
	struct where where = {0};
	if (!cli_is_thread(wish->id))
		return CLI_USAGE;
	if (name_thread_check(wish->as) < 0)
		return cli_fail(CLI_USAGE, "a thread cannot be called '%s'", wish->as);
	if (where_resolve(argument, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int status = where.mountpoint ? restore_in_mount(where.mountpoint, wish)
				      : restore_in_store(&where.store, wish);
	where_done(&where);
	return status;
}

int command_restore(int argc, char **argv)
{
	struct wish wish = {0};
	const char *where = NULL;
	const struct command_option options[] = {
		{.name = "as", .value = &wish.as, .wants = "a name"}, {0}};
	const struct command command = {.usage = "turnfs restore [--as NAME] ID [WHERE]",
		.help = help,
		.options = options,
		.operands = {&wish.id, &where}};
	int status;
	if (!command_read(&command, argc, argv, &status))
		return status;
	if (!wish.id)
		return cli_fail(CLI_USAGE, "which thread? %s", command.usage);
	if (!wish.as)
		wish.as = wish.id;
	return restore(&wish, where);
}
