/* The mounts that this process sees, from /proc/self/mountinfo. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MOUNTINFO_PATH "/proc/self/mountinfo"
#define MOUNTINFO_TYPE "fuse.turnfs"

struct mount_entry {
	char *mountpoint, *options, *type, *source; /* as they are, escapes undone */
};

struct mount_table {
	struct mount_entry *items;
	size_t count;
};

/* Parses one line of that form, in place; the entry points into it. Whether it is one. */
bool mount_entry_parse(char *line, struct mount_entry *ret);

/* 0 or -errno. */
int mount_table_read(const char *path, struct mount_table *ret);
void mount_table_done(struct mount_table *table);

/* What lies on top at exactly that path, or NULL. */
const struct mount_entry *mount_table_find(const struct mount_table *table, const char *mountpoint);

bool mount_entry_is_ours(const struct mount_entry *entry);
