/* Whether a directory may be mounted on; a dead mount of ours is cleared off it first. */
#include "mountpoint.h"

#include "base/cleanup.h"
#include "mountinfo.h"
#include "peer.h"
#include "unmount.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* A trailing slash would make lstat() follow a symlink. */
static void strip_slashes(char *path)
{
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		path[--size] = '\0';
}

char *mountpoint_absolute(const char *path)
{
	CLEAN_FREE char *copy = strdup(path);
	CLEAN_FREE char *copy2 = strdup(path);
	char *absolute = NULL;
	if (!copy || !copy2)
		return NULL;
	strip_slashes(copy);
	strip_slashes(copy2);
	const char *name = basename(copy);
	if (is_dots(name) || !strcmp(copy, "/"))
		return realpath(path, NULL);
	CLEAN_FREE char *parent = realpath(dirname(copy2), NULL);
	if (!parent)
		return NULL;
	const char *slash = strcmp(parent, "/") == 0 ? "" : "/";
	return asprintf(&absolute, "%s%s%s", parent, slash, name) < 0 ? NULL : absolute;
}

static bool path_is_under(const char *path, const char *above)
{
	size_t size = strlen(above);
	return !strncmp(path, above, size) && (path[size] == '/' || !path[size]);
}

/* The path with the part of it that exists made real, to be freed. */
static char *store_absolute(const struct store_name *store)
{
	char *absolute = mountpoint_absolute(store->where);
	return absolute ? absolute : strdup(store->where);
}

/* Mounting over the store would hide it; inside the directory kept for it, it would litter it. */
static int check_store_apart(
	const char *mountpoint, const struct store_name *store, struct errtext *error)
{
	if (store->kind != STORE_KIND_LOCAL)
		return 0;
	CLEAN_FREE char *path = store_absolute(store);
	if (!path)
		return errtext_set(error, -ENOMEM, "out of memory");
	if (path_is_under(path, mountpoint))
		return errtext_set(error, -EINVAL,
			"the store %s is inside the mountpoint %s, which would hide it: mount "
			"elsewhere",
			path, mountpoint);
	if (store->is_default)
		*strrchr(path, '/') = '\0';
	if (path_is_under(mountpoint, path))
		return errtext_set(error, -EINVAL,
			"the mountpoint %s is inside its own store %s: mount elsewhere", mountpoint,
			path);
	return 0;
}

static int refuse_mounted(const struct mount_entry *entry, struct errtext *error)
{
	if (!mount_entry_is_ours(entry))
		return errtext_set(error, -EBUSY,
			"%s has a mount on it already, of type %s: choose another directory",
			entry->mountpoint, entry->type);
	pid_t pid = peer_pid(entry->mountpoint);
	char by[40] = "";
	if (pid)
		snprintf(by, sizeof(by), " (pid %d)", (int)pid);
	return errtext_set(error, -EBUSY, "%s is on %s already%s: `turnfs umount %s` ends it",
		entry->source, entry->mountpoint, by, entry->mountpoint);
}

/* Takes away dead mounts of ours, also several on top of each other. */
static int clear_mounts(const char *mountpoint, struct errtext *error)
{
	for (int i = 0; i < 16; i++) {
		struct mount_table table;
		int rc = mount_table_read(MOUNTINFO_PATH, &table);
		if (rc < 0)
			return errtext_set(
				error, rc, "cannot read %s: %s", MOUNTINFO_PATH, strerror(-rc));
		const struct mount_entry *entry = mount_table_find(&table, mountpoint);
		if (!entry)
			rc = 1;
		else if (mount_entry_is_ours(entry) && peer_outcome(mountpoint) == -ENOTCONN)
			rc = unmount(mountpoint, true, error);
		else
			rc = refuse_mounted(entry, error);
		mount_table_done(&table);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	return 0;
}

static int refuse_path(const char *path, int code, struct errtext *error)
{
	if (code == ENOENT)
		return errtext_set(
			error, -code, "there is no directory %s: make it with mkdir -p", path);
	return errtext_set(error, -code, "cannot mount on %s: %s", path, strerror(code));
}

static int check_directory(const char *path, struct errtext *error)
{
	struct stat info;
	if (lstat(path, &info) < 0)
		return refuse_path(path, errno, error);
	if (S_ISLNK(info.st_mode))
		return errtext_set(error, -ELOOP,
			"the mountpoint %s is a symlink: name the directory it points to", path);
	if (!S_ISDIR(info.st_mode))
		return errtext_set(error, -ENOTDIR,
			"the mountpoint %s is not a directory: turnfs mount [STORE] MOUNTPOINT",
			path);
	if (geteuid() != 0 && access(path, W_OK) < 0)
		return errtext_set(error, -EACCES,
			"%s is not yours to mount on: choose a directory that you may write to",
			path);
	return 0;
}

static int check_empty(const char *path, struct errtext *error)
{
	DIR *directory = opendir(path);
	bool empty = true;
	if (!directory)
		return errtext_set(error, -errno, "cannot read %s: %s", path, strerror(errno));
	for (struct dirent *entry; empty && (entry = readdir(directory));)
		empty = is_dots(entry->d_name);
	closedir(directory);
	return empty ? 0
		     : errtext_set(error, -ENOTEMPTY,
			       "%s is not empty: a mount would hide what is in it; choose an empty "
			       "directory",
			       path);
}

int mountpoint_prepare(
	const char *path, const struct store_name *store, char **ret, struct errtext *error)
{
	CLEAN_FREE char *absolute = mountpoint_absolute(path);
	if (!absolute)
		return refuse_path(path, errno, error);
	int rc = clear_mounts(absolute, error);
	if (rc == 0)
		rc = check_directory(absolute, error);
	if (rc == 0)
		rc = check_store_apart(absolute, store, error);
	if (rc == 0)
		rc = check_empty(absolute, error);
	if (rc < 0)
		return rc;
	*ret = absolute;
	absolute = NULL;
	return 0;
}
