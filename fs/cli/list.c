/* turnfs list: the live threads as a table, or as JSON. */
#include "args.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "cli.h"
#include "overview.h"
#include "terminal.h"
#include "where.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"usage: turnfs list [--json] [WHERE]\n"
	"\n"
	"The live threads, last used first: id, turns, last use, time left, title.\n"
	"WHERE is a mountpoint or a store; without it the only mount, else the default store.\n"
	"\n"
	"  --json   an array of objects: id, title, turn_count, updated_at, expires_at,\n"
	"           seconds_left (null: never)\n"
	"  -h, --help         -V, --version\n";

/* "23h 59m", "59s", "never": two units at most. */
static void left_format(int64_t left_ms, char *text, size_t size)
{
	long long s = left_ms > 0 ? left_ms / 1000 : 0;
	if (s < 60)
		snprintf(text, size, "%llds", s);
	else if (s < 3600)
		snprintf(text, size, "%lldm %02llds", s / 60, s % 60);
	else if (s < 48 * 3600)
		snprintf(text, size, "%lldh %02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(text, size, "%lldd %02lldh", s / 86400, s / 3600 % 24);
}

static void time_format(int64_t ns, char *text, size_t size)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm local;
	if (!localtime_r(&seconds, &local) || !strftime(text, size, "%Y-%m-%d %H:%M", &local))
		snprintf(text, size, "?");
}

static void print_padded(const char *text, size_t width)
{
	size_t own = terminal_width(text);
	printf("%s%*s  ", text, own < width ? (int)(width - own) : 0, "");
}

static void print_row(const struct overview *overview, const struct listed *item, size_t width)
{
	char left[32] = "never", used[32];
	if (item->deadline_ms != STORE_DEADLINE_NEVER)
		left_format(item->deadline_ms - overview->now_ms, left, sizeof(left));
	time_format(item->updated_ns, used, sizeof(used));
	print_padded(item->id, width);
	printf("%5u  %-16s  %-8s  %s\n", item->turns, used, left, item->title ? item->title : "");
}

static int print_table(const struct overview *overview)
{
	size_t width = 2;
	for (size_t i = 0; i < overview->count; i++) {
		terminal_clean(overview->items[i].id);
		terminal_clean(overview->items[i].title);
		size_t own = terminal_width(overview->items[i].id);
		width = own > width && own <= 40 ? own : width;
	}
	print_padded("ID", width);
	printf("%5s  %-16s  %-8s  %s\n", "TURNS", "LAST USE", "LEFT", "TITLE");
	for (size_t i = 0; i < overview->count; i++)
		print_row(overview, &overview->items[i], width);
	return CLI_DONE;
}

static json_t *json_of(const struct overview *overview, const struct listed *item)
{
	char updated[TEXT_TIME_MAX], expires[TEXT_TIME_MAX];
	bool never = item->deadline_ms == STORE_DEADLINE_NEVER;
	text_time_ns(item->updated_ns, updated);
	if (!never)
		text_time_ns(item->deadline_ms * 1000000, expires);
	return json_pack("{s:s, s:s?, s:I, s:s, s:s?, s:o}", "id", item->id, "title", item->title,
		"turn_count", (json_int_t)item->turns, "updated_at", updated, "expires_at",
		never ? NULL : expires, "seconds_left",
		never ? json_null() : json_integer((item->deadline_ms - overview->now_ms) / 1000));
}

static int print_json(const struct overview *overview)
{
	json_auto_t *array = json_array();
	for (size_t i = 0; i < overview->count; i++)
		if (json_array_append_new(array, json_of(overview, &overview->items[i])) < 0)
			return cli_fail(CLI_FAILED, "out of memory");
	CLEAN_BLOB struct blob *text = json_text(array, JSON_TEXT_INDENT);
	if (!text)
		return cli_fail(CLI_FAILED, "out of memory");
	fwrite(text->data, 1, text->size, stdout);
	return CLI_DONE;
}

static int list(const char *argument, bool json)
{
	struct errtext error = {""};
	struct overview overview = {0};
	struct where where = {0};
	if (where_resolve(argument, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int rc = where.mountpoint ? overview_of_mount(where.mountpoint, &overview, &error)
				  : overview_of_store(where.store.where, &overview, &error);
	where_done(&where);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	overview_sort(&overview);
	int status = json ? print_json(&overview) : print_table(&overview);
	overview_done(&overview);
	return status;
}

int command_list(int argc, char **argv)
{
	struct args args;
	const char *text, *argument = NULL;
	bool json = false;
	args_init(&args, argc, argv);
	for (enum arg_kind kind; (kind = args_next(&args, &text)) != ARG_END;) {
		if (kind == ARG_OPERAND && !argument)
			argument = text;
		else if (kind == ARG_OPTION && !strcmp(text, "json"))
			json = true;
		else if (kind == ARG_OPTION && (!strcmp(text, "help") || !strcmp(text, "h")))
			return fputs(help, stdout) < 0;
		else if (kind == ARG_OPTION && (!strcmp(text, "version") || !strcmp(text, "V")))
			return cli_version();
		else
			return cli_fail(CLI_USAGE,
				"'%s' is not understood: turnfs list [--json] "
				"[WHERE]",
				text);
	}
	return list(argument, json);
}
