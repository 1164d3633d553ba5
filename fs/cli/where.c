/* WHERE of the commands that look: a mountpoint or a store, by default the only mount. */
#include "where.h"

#include "base/cleanup.h"
#include "mountinfo.h"
#include "mountpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void where_done(struct where *where)
{
	free(where->mountpoint);
	store_name_done(&where->store);
}

static int resolve_store(const char *argument, struct where *ret, struct errtext *error)
{
	struct environment environment;
	environment_init(&environment);
	int rc = store_name_choose(argument, &environment, &ret->store, error);
	environment_done(&environment);
	return rc;
}

/* The only mount of ours; without any, the default store. */
static int resolve_default(
	const struct mount_table *table, struct where *ret, struct errtext *error)
{
	const struct mount_entry *only = NULL;
	for (size_t i = 0; i < table->count; i++) {
		const struct mount_entry *entry = &table->items[i];
		if (!mount_entry_is_ours(entry))
			continue;
		if (only)
			return errtext_set(error, -EINVAL,
				"there are several mounts: say which, `turnfs mount` lists them");
		only = entry;
	}
	if (!only)
		return resolve_store(NULL, ret, error);
	ret->mountpoint = strdup(only->mountpoint);
	return ret->mountpoint ? 0 : errtext_set(error, -ENOMEM, "out of memory");
}

static int resolve_path(
	const struct mount_table *table, const char *path, struct where *ret, struct errtext *error)
{
	struct stat info;
	char *absolute = mountpoint_absolute(path);
	const struct mount_entry *entry = absolute ? mount_table_find(table, absolute) : NULL;
	if (entry && mount_entry_is_ours(entry)) {
		ret->mountpoint = absolute;
		return 0;
	}
	free(absolute);
	if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
		return errtext_set(error, -EINVAL,
			"%s is neither a turnfs mount nor a store: `turnfs mount` lists the mounts",
			path);
	return resolve_store(path, ret, error);
}

int where_resolve(const char *argument, struct where *ret, struct errtext *error)
{
	struct mount_table table;
	struct where where = {0};
	int rc = mount_table_read(MOUNTINFO_PATH, &table);
	if (rc < 0)
		return errtext_set(error, rc, "cannot read %s: %s", MOUNTINFO_PATH, strerror(-rc));
	if (!argument)
		rc = resolve_default(&table, &where, error);
	else if (store_name_has_scheme(argument))
		rc = resolve_store(argument, &where, error);
	else
		rc = resolve_path(&table, argument, &where, error);
	mount_table_done(&table);
	if (rc == 0)
		*ret = where;
	return rc;
}
