/* How the commands open a store, and look at one that is not mounted. */
#include "store_look.h"

#include "base/cleanup.h"
#include "ledger_copy.h"
#include "mountinfo.h"
#include "option_value.h"
#include "peer.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(const char *one, const char *other)
{
	struct stat first, second;
	return stat(one, &first) == 0 && stat(other, &second) == 0 &&
	       first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static void say_mounted(const char *where, const char *mountpoint, struct errtext *error)
{
	pid_t pid = peer_pid(mountpoint);
	char by[40] = "";
	if (pid)
		snprintf(by, sizeof(by), " by process %d", (int)pid);
	errtext_set(error, -EBUSY, "the store %s is in use%s on %s: `turnfs umount %s` ends that",
		where, by, mountpoint, mountpoint);
}

/* Without a mount of it in sight (another namespace's) the store's own sentence stays. */
static void say_busy(const char *where, struct errtext *error)
{
	struct mount_table table;
	if (mount_table_read(MOUNTINFO_PATH, &table) < 0)
		return;
	for (size_t i = 0; i < table.count; i++) {
		const struct mount_entry *entry = &table.items[i];
		if (mount_entry_is_ours(entry) && same_file(entry->source, where)) {
			say_mounted(where, entry->mountpoint, error);
			break;
		}
	}
	mount_table_done(&table);
}

int store_open_named(const char *where, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	int rc = store_open(where, options, ret, error);
	if (rc == 0 || where[0] != '/') /* a server's sentences begin with its name */
		return rc;
	if (rc == -EBUSY)
		say_busy(where, error);
	error->text[0] = (char)tolower((unsigned char)error->text[0]);
	return rc;
}

/* Every store that was ever mounted has one; nothing else must get one by being looked at. */
static bool has_lock(const char *where)
{
	CLEAN_FREE char *lock = NULL;
	return where[0] == '/' && asprintf(&lock, "%s-lock", where) >= 0 && access(lock, F_OK) == 0;
}

/* Who has the lock needs no -wal and -shm to read a store that was closed; a peek makes them. */
static int look_at_file(const char *where, struct store **ret, struct errtext *error)
{
	const struct store_options alone = {.read_only = true};
	const struct store_options beside = {.read_only = true, .peek = true, .timeout_ms = 5000};
	int rc = has_lock(where) ? store_open_named(where, &alone, ret, error) : -EBUSY;
	return rc == -EBUSY ? store_open_named(where, &beside, ret, error) : rc;
}

int store_look_options(
	const struct store_name *name, struct cli_options *ret, struct errtext *error)
{
	options_init(ret);
	int rc = name->query ? options_set_query(ret, name->query, error) : 0;
	return rc < 0 ? rc : options_check(ret, name->kind == STORE_KIND_SERVER, error);
}

char *store_look_ledger_copy(const struct store_name *name, const struct cli_options *options)
{
	const struct server_options *server = &options->server;
	CLEAN_FREE char *key = NULL;
	if (name->kind != STORE_KIND_SERVER ||
		asprintf(&key, "%s %s %s %s", name->shown,
			server->prefix ? server->prefix : OPTION_PREFIX_DEFAULT,
			server->layout ? server->layout : "",
			server->match ? server->match : "") < 0)
		return NULL;
	return ledger_copy_path(key);
}

static int look_at_server(const struct store_name *name, const struct cli_options *options,
	struct store **ret, struct errtext *error)
{
	const struct store_options reading = {
		.read_only = true,
		.timeout_ms = options->mount.timeout_ms,
		.grace_ms = options->mount.grace_ms,
		.server = options_server(options),
	};
	return store_open_named(name->where, &reading, ret, error);
}

int store_look(const struct store_name *name, struct store **ret, struct errtext *error)
{
	struct cli_options options;
	if (name->kind == STORE_KIND_MEMORY)
		return errtext_set(error, -EINVAL,
			"memory: is only where it is mounted: name the mountpoint; what was in one "
			"that is unmounted is lost");
	int rc = store_look_options(name, &options, error);
	if (!rc)
		rc = name->kind == STORE_KIND_SERVER ? look_at_server(name, &options, ret, error)
						     : look_at_file(name->where, ret, error);
	options_done(&options);
	return rc;
}
