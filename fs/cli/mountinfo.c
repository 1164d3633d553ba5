/* The mounts that this process sees, from /proc/self/mountinfo: see proc_pid_mountinfo(5). */
#include "mountinfo.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>

static bool is_octal(const char *text)
{
	return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' && text[1] <= '7' &&
	       text[2] >= '0' && text[2] <= '7';
}

/* \040 and the like become their bytes, in place. */
static void unescape(char *text)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		if (*in == '\\' && is_octal(in + 1)) {
			*out++ = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* 36 35 98:0 /root /mountpoint rw,noatime master:1 … - type source superoptions */
bool mount_entry_parse(char *line, struct mount_entry *ret)
{
	char *field[6];
	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < 6; i++) {
		field[i] = strsep(&line, " ");
		if (!line)
			return false;
	}
	for (char *optional = strsep(&line, " "); strcmp(optional, "-") != 0;) {
		optional = strsep(&line, " ");
		if (!optional)
			return false;
	}
	char *type = strsep(&line, " ");
	char *source = strsep(&line, " ");
	if (!type || !source)
		return false;
	*ret = (struct mount_entry){field[4], field[5], type, source};
	unescape(ret->mountpoint);
	unescape(ret->source);
	return true;
}

static void entry_done(struct mount_entry *entry)
{
	free(entry->mountpoint);
	free(entry->options);
	free(entry->type);
	free(entry->source);
}

void mount_table_done(struct mount_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		entry_done(&table->items[i]);
	free(table->items);
	*table = (struct mount_table){0};
}

static int table_add(struct mount_table *table, const struct mount_entry *entry)
{
	struct mount_entry copy = {strdup(entry->mountpoint), strdup(entry->options),
		strdup(entry->type), strdup(entry->source)};
	struct mount_entry *items =
		reallocarray(table->items, table->count + 1, sizeof(*table->items));
	if (items)
		table->items = items;
	if (!items || !copy.mountpoint || !copy.options || !copy.type || !copy.source) {
		entry_done(&copy);
		return -ENOMEM;
	}
	table->items[table->count++] = copy;
	return 0;
}

int mount_table_read(const char *path, struct mount_table *ret)
{
	CLEAN_FILE FILE *file = fopen(path, "re");
	CLEAN_FREE char *line = NULL;
	size_t capacity = 0;
	struct mount_table table = {0};
	struct mount_entry entry;
	if (!file)
		return -errno;
	while (getline(&line, &capacity, file) >= 0) {
		int rc = mount_entry_parse(line, &entry) ? table_add(&table, &entry) : 0;
		if (rc < 0) {
			mount_table_done(&table);
			return rc;
		}
	}
	*ret = table;
	return 0;
}

const struct mount_entry *mount_table_find(const struct mount_table *table, const char *mountpoint)
{
	for (size_t i = table->count; i-- > 0;)
		if (!strcmp(table->items[i].mountpoint, mountpoint))
			return &table->items[i];
	return NULL;
}

bool mount_entry_is_ours(const struct mount_entry *entry)
{
	return !strcmp(entry->type, MOUNTINFO_TYPE);
}
