/* What turnfs takes from the environment, and from a file of --env-file. */
#include "envfile.h"

#include "base/cleanup.h"
#include "secret.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static void drop_if_empty(char **value)
{
	if (*value && !**value) {
		free(*value);
		*value = NULL;
	}
}

void environment_init(struct environment *environment)
{
	environment->redis_url = secret_take_env("REDIS_URL");
	environment->hours = secret_take_env("CONVERSATION_TIMEOUT_HOURS");
	drop_if_empty(&environment->redis_url);
}

void environment_done(struct environment *environment)
{
	free(environment->redis_url);
	free(environment->hours);
	*environment = (struct environment){0};
}

static char *skip_blanks(char *text)
{
	return text + strspn(text, " \t");
}

/* 'as is': up to the next quote. NULL: there is none. */
static char *end_single(char *value)
{
	char *end = strchr(value, '\'');
	if (end)
		*end++ = '\0';
	return end;
}

/* "…": the same, with the four escapes undone in place. */
static char *end_double(char *value)
{
	char *out = value;
	for (char *in = value; *in; in++) {
		if (*in == '"') {
			*out = '\0';
			return in + 1;
		}
		if (*in == '\\' && in[1] && strchr("\"\\$n", in[1])) {
			in++;
			*out++ = *in == 'n' ? '\n' : *in;
		} else {
			*out++ = *in;
		}
	}
	return NULL;
}

/* Plain: up to a comment, without the blanks at its end. */
static void end_plain(char *value)
{
	for (char *c = value; *c; c++) {
		if (*c == '#' && (c == value || isblank((unsigned char)c[-1]))) {
			*c = '\0';
			break;
		}
	}
	size_t size = strlen(value);
	while (size && isblank((unsigned char)value[size - 1]))
		value[--size] = '\0';
}

/* The value that begins at `text`, made into a string in place. NULL: a quote is not closed, … */
static char *value_parse(char *text)
{
	char quote = *text;
	if (quote != '\'' && quote != '"') {
		end_plain(text);
		return text;
	}
	char *end = quote == '"' ? end_double(text + 1) : end_single(text + 1);
	if (!end)
		return NULL;
	end = skip_blanks(end);
	return *end && *end != '#' ? NULL : text + 1;
}

/* Where the value begins if the line is `[export] KEY=…`, else NULL. */
static char *line_value(char *line, const char *key)
{
	line = skip_blanks(line);
	if (!strncmp(line, "export", 6) && isblank((unsigned char)line[6]))
		line = skip_blanks(line + 6);
	size_t size = strlen(key);
	if (strncmp(line, key, size) != 0)
		return NULL;
	line = skip_blanks(line + size);
	return *line == '=' ? skip_blanks(line + 1) : NULL;
}

/* Sets *slot if the line sets `key`; the last one of a file counts. */
static int line_take(char *line, const char *key, char **slot)
{
	char *value = line_value(line, key);
	if (!value)
		return 0;
	value = value_parse(value);
	if (!value)
		return -EINVAL;
	char *copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*slot);
	*slot = copy;
	return 0;
}

static void line_chomp(char *line)
{
	line[strcspn(line, "\r\n")] = '\0';
}

static int file_parse(
	FILE *file, const char *path, struct environment *found, struct errtext *error)
{
	CLEAN_FREE char *line = NULL;
	size_t capacity = 0;
	for (unsigned number = 1; getline(&line, &capacity, file) >= 0; number++) {
		line_chomp(line);
		int rc = line_take(line, "REDIS_URL", &found->redis_url);
		if (rc == 0)
			rc = line_take(line, "CONVERSATION_TIMEOUT_HOURS", &found->hours);
		if (rc < 0)
			return errtext_set(error, rc,
				"%s, line %u: the quotes do not match: write KEY=VALUE", path,
				number);
	}
	if (ferror(file))
		return errtext_set(error, -EIO, "cannot read %s: %s", path, strerror(errno));
	return 0;
}

static void fill(char **slot, char **found)
{
	if (*slot)
		return;
	*slot = *found;
	*found = NULL;
}

int environment_read(struct environment *environment, const char *path, struct errtext *error)
{
	CLEAN_FILE FILE *file = fopen(path, "re");
	if (!file)
		return errtext_set(
			error, -errno, "cannot read --env-file %s: %s", path, strerror(errno));
	struct environment found = {0};
	int rc = file_parse(file, path, &found, error);
	if (rc == 0) {
		drop_if_empty(&found.redis_url);
		fill(&environment->redis_url, &found.redis_url);
		fill(&environment->hours, &found.hours);
	}
	environment_done(&found);
	return rc;
}
