/* turnfs umount: takes a mount of ours away, and returns when its daemon has closed the store. */
#include "base/cleanup.h"
#include "cli.h"
#include "command.h"
#include "mountinfo.h"
#include "mountpoint.h"
#include "peer.h"
#include "unmount.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char help[] = "usage: turnfs umount MOUNTPOINT\n"
			   "\n"
			   "Unmounts it and returns when the store is closed.\n"
			   "\n"
			   "  -h, --help         -V, --version\n";

static int check_ours(const char *mountpoint)
{
	struct mount_table table;
	int rc = mount_table_read(MOUNTINFO_PATH, &table);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "cannot read %s: %s", MOUNTINFO_PATH, strerror(-rc));
	const struct mount_entry *entry = mount_table_find(&table, mountpoint);
	bool ours = entry && mount_entry_is_ours(entry);
	mount_table_done(&table);
	return ours ? CLI_DONE
		    : cli_fail(CLI_FAILED, "%s is not a turnfs mount: `turnfs mount` lists them",
			      mountpoint);
}

static int say_busy(const char *mountpoint)
{
	char users[256];
	peer_users(mountpoint, users, sizeof(users));
	if (users[0])
		return cli_fail(CLI_FAILED,
			"%s is in use by %s: let them leave it (cd elsewhere, or end), then try "
			"again",
			mountpoint, users);
	return cli_fail(CLI_FAILED,
		"%s is in use: close what has files or a working directory in it, then try again",
		mountpoint);
}

/* Our own process that tells watchers looks in for a moment at a time (T9): it is waited for. */
static bool only_announcer(const char *mountpoint)
{
	char users[256];
	peer_users(mountpoint, users, sizeof(users));
	return !strncmp(users, "turnfs-announce (", 17) && !strchr(users, ',');
}

static int unmount_patiently(const char *mountpoint, struct errtext *error)
{
	enum { TRIES = 100 };
	const struct timespec moment = {.tv_nsec = 20 * 1000 * 1000};
	int rc = unmount(mountpoint, false, error);
	for (int i = 0; i < TRIES && rc == -EBUSY && only_announcer(mountpoint); i++) {
		nanosleep(&moment, NULL);
		rc = unmount(mountpoint, false, error);
	}
	return rc;
}

/* The pid must be asked for while the mount can still say it. */
static int umount(const char *mountpoint)
{
	struct errtext error = {""};
	pid_t pid = peer_pid(mountpoint);
	int handle = pid ? peer_open(pid) : -1;
	int rc = unmount_patiently(mountpoint, &error);
	if (rc == 0 && pid) {
		peer_wait(pid, handle);
		return CLI_DONE;
	}
	if (handle >= 0)
		close(handle);
	if (rc == -EBUSY)
		return say_busy(mountpoint);
	return rc < 0 ? cli_fail(CLI_FAILED, "%s", error.text) : CLI_DONE;
}

static int umount_path(const char *path)
{
	CLEAN_FREE char *mountpoint = mountpoint_absolute(path);
	if (!mountpoint)
		return cli_fail(CLI_FAILED, "cannot unmount %s: %s", path, strerror(errno));
	int status = check_ours(mountpoint);
	if (!status &&
		chdir("/") < 0) /* ours must not be the working directory that keeps it busy */
		return cli_fail(CLI_FAILED, "cannot change to /: %s", strerror(errno));
	return status ? status : umount(mountpoint);
}

int command_umount(int argc, char **argv)
{
	const char *path = NULL;
	const struct command command = {
		.usage = "turnfs umount MOUNTPOINT", .help = help, .operands = {&path}};
	int status;
	if (!command_read(&command, argc, argv, &status))
		return status;
	if (!path)
		return cli_fail(CLI_USAGE, "no mountpoint is named: %s", command.usage);
	return umount_path(path);
}
