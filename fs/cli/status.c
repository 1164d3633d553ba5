/* turnfs status: health, for people and for monitors. */
#include "backend.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "cli.h"
#include "command.h"
#include "store_look.h"
#include "terminal.h"
#include "told.h"
#include "where.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: turnfs status [--json] [WHERE]\n"
	"\n"
	"How a mount is, as its .turnfs/health says it: ok, degraded, failed or down, then why.\n"
	"WHERE is a mountpoint or a store; without it the only mount. Of a store that is named\n"
	"and not mounted it tells whether it can be opened and read.\n"
	"\n"
	"  --json   one object: state, mountpoint, threads in numbers, and the sentences\n"
	"  -h, --help         -V, --version\n"
	"\n"
	"exit status: 0 ok, 1 degraded, 2 down (failed, not mounted, or it does not answer)\n";

enum { STATUS_OK = 0, STATUS_DEGRADED = 1, STATUS_DOWN = 2 };

/* What is said of one mount or store. */
struct told {
	const char *mountpoint; /* NULL: none */
	struct blob *health; /* in the form of .turnfs/health */
	struct blob *metrics; /* NULL: none */
};

static int state_status(const char *word)
{
	if (!strcmp(word, "ok"))
		return STATUS_OK;
	return !strcmp(word, "degraded") ? STATUS_DEGRADED : STATUS_DOWN;
}

static void add_number(json_t *object, const struct blob *metrics, const char *state)
{
	CLEAN_FREE char *key = NULL, *value = NULL;
	if (asprintf(&key, "turnfs_threads{state=\"%s\"}", state) < 0)
		return;
	value = told_value(metrics, key);
	if (value)
		json_object_set_new(object, state, json_integer(strtoll(value, NULL, 10)));
}

/* "last error: none." becomes "last_error": "none." */
static void add_sentence(json_t *object, char *line)
{
	char *colon = strstr(line, ": ");
	if (!colon)
		return;
	*colon = '\0';
	for (char *c = line; *c; c++)
		if (*c == ' ')
			*c = '_';
	json_object_set_new(object, line, json_string(colon + 2));
}

static int print_json(const struct told *told, char *health)
{
	json_auto_t *object = json_object();
	char *rest = health, *word = strsep(&rest, "\n");
	json_object_set_new(object, "state", json_string(word));
	json_object_set_new(object, "mountpoint",
		told->mountpoint ? json_string(told->mountpoint) : json_null());
	for (char *line; rest && (line = strsep(&rest, "\n"));)
		add_sentence(object, line);
	if (told->metrics) {
		json_t *threads = json_object();
		add_number(threads, told->metrics, "live");
		add_number(threads, told->metrics, "expiring");
		add_number(threads, told->metrics, "expired");
		json_object_set_new(object, "threads", threads);
	}
	CLEAN_BLOB struct blob *text = json_text(object, JSON_TEXT_INDENT);
	if (!text)
		return cli_fail(STATUS_DOWN, "out of memory");
	fwrite(text->data, 1, text->size, stdout);
	return state_status(word);
}

static void print_lines(char *health)
{
	for (char *rest = health, *line; rest && (line = strsep(&rest, "\n"));)
		if (*line)
			puts(terminal_clean(line));
}

static int print(const struct told *told, bool json)
{
	CLEAN_FREE char *health = strdup(blob_data(told->health));
	CLEAN_FREE char *word = health ? strndup(health, strcspn(health, "\n")) : NULL;
	if (!word)
		return cli_fail(STATUS_DOWN, "out of memory");
	if (json)
		return print_json(told, health);
	print_lines(health);
	return state_status(word);
}

__attribute__((format(printf, 2, 3))) static int printed(struct blob **ret, const char *format, ...)
{
	char *text;
	va_list values;
	va_start(values, format);
	int size = vasprintf(&text, format, values);
	va_end(values);
	*ret = size < 0 ? NULL : blob_adopt(text, (size_t)size);
	return *ret ? 0 : -ENOMEM;
}

static int status_of_mount(const char *mountpoint, bool json)
{
	struct told told = {.mountpoint = mountpoint};
	int rc = told_read(mountpoint, "health", &told.health);
	if (!rc && json)
		told_read(mountpoint, "metrics", &told.metrics); /* without: no numbers */
	if (rc < 0)
		rc = printed(&told.health, "down\nproblem: %s does not answer: %s.\n", mountpoint,
			rc == -EACCES ? "it is another user's" : told_strerror(rc));
	int status = rc < 0 ? cli_fail(STATUS_DOWN, "out of memory") : print(&told, json);
	blob_unref(told.health);
	blob_unref(told.metrics);
	return status;
}

/* What is said of a store that is not mounted, opened beside whoever has it. */
static int store_told(const struct store_name *name, bool down, struct blob **ret)
{
	static const char *const words[] = {"ok", "degraded", "failed"};
	struct errtext error = {""};
	struct store *store = NULL;
	struct store_health health;
	int rc = name->kind == STORE_KIND_MEMORY
			 ? errtext_set(&error, -ENOENT, "nothing is mounted, and memory: is lost")
			 : store_look(name, &store, &error);
	if (rc < 0)
		return printed(ret, "down\nstorage: %s\nproblem: %s.\n", name->shown, error.text);
	rc = store_health(store, false, &health);
	store_close(store);
	if (rc < 0)
		return printed(ret, "down\nstorage: %s\nproblem: it cannot be read: %s.\n",
			name->shown, strerror(-rc));
	return printed(ret, "%s\nstorage: %s.\n%s%s%s%s", down ? "down" : words[health.state],
		health.storage,
		down ? "problem: nothing is mounted: turnfs mount MOUNTPOINT.\n" : "",
		health.problem[0] ? "problem: " : "", health.problem,
		health.problem[0] ? ".\n" : "");
}

static int status(const char *argument, bool json)
{
	struct errtext error = {""};
	struct where where = {0};
	struct told told = {0};
	if (where_resolve(argument, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int result;
	if (where.mountpoint)
		result = status_of_mount(where.mountpoint, json);
	else if (store_told(&where.store, !argument, &told.health) < 0)
		result = cli_fail(STATUS_DOWN, "out of memory");
	else
		result = print(&told, json);
	blob_unref(told.health);
	where_done(&where);
	return result;
}

int command_status(int argc, char **argv)
{
	const char *where = NULL;
	bool json = false;
	const struct command_option options[] = {{.name = "json", .flag = &json}, {0}};
	const struct command command = {.usage = "turnfs status [--json] [WHERE]",
		.help = help,
		.options = options,
		.operands = {&where}};
	int exit_status;
	return command_read(&command, argc, argv, &exit_status) ? status(where, json) : exit_status;
}
