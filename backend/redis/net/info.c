/* Finding things in what INFO says: lines of the form name:value. */
#include "inside.h"

#include <string.h>

const char *info_find(const char *info, const char *name)
{
	size_t size = strlen(name);

	for (const char *line = info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, size) == 0 && line[size] == ':')
			return line + size + 1;
	}
	return NULL;
}
