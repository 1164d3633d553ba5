/* turnfs list: the live threads as a table, or as JSON. */
#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "cli.h"
#include "command.h"
#include "overview.h"
#include "terminal.h"
#include "where.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char help[] =
	"usage: turnfs list [--json] [--sort=ORDER] [--reverse] [--expiring TIME] [--expired]\n"
	"                   [WHERE]\n"
	"\n"
	"The live threads, last used first: id, turns, last use, time left, title.\n"
	"WHERE is a mountpoint or a store; without it the only mount, else the default store.\n"
	"\n"
	"  --sort=ORDER       used (last used first), left (the least time left first), turns,\n"
	"                     id, title; -r or --reverse turns it round\n"
	"  --expiring TIME    only those that expire within TIME: 90s 30m 2h 7d\n"
	"  --expired          those that have expired and can still be restored\n"
	"  --json             an array of objects: id, title, turn_count, updated_at, expires_at,\n"
	"                     seconds_left (null: never; less than 0: expired)\n"
	"  -h, --help         -V, --version\n";

/* What `turnfs list` was asked for. */
struct wish {
	const char *where; /* NULL: not said */
	bool json, expired, reverse;
	int64_t expiring_ms; /* -1: all */
	enum overview_order order;
};

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

static void print_row(
	const struct overview *overview, const struct listed *item, bool expired, size_t width)
{
	char left[TEXT_TIME_MAX] = "never", used[32];
	int64_t left_ms = item->deadline_ms - overview->now_ms;
	if (item->deadline_ms != STORE_DEADLINE_NEVER)
		text_span_rough(expired ? -left_ms : left_ms, left);
	time_format(item->updated_ns, used, sizeof(used));
	print_padded(item->id, width);
	printf("%5u  %-16s  ", item->turns, used);
	if (item->title && *item->title)
		printf("%-8s  %s\n", left, item->title);
	else
		printf("%s\n", left);
}

static int print_table(const struct overview *overview, bool expired)
{
	size_t width = 2;
	for (size_t i = 0; i < overview->count; i++) {
		terminal_clean(overview->items[i].id);
		terminal_clean(overview->items[i].title);
		size_t own = terminal_width(overview->items[i].id);
		width = own > width && own <= 40 ? own : width;
	}
	print_padded("ID", width);
	printf("%5s  %-16s  %-8s  %s\n", "TURNS", "LAST USE", expired ? "GONE FOR" : "LEFT",
		"TITLE");
	for (size_t i = 0; i < overview->count; i++)
		print_row(overview, &overview->items[i], expired, width);
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

static int list(const struct wish *wish)
{
	struct errtext error = {""};
	struct overview overview = {0};
	struct where where = {0};
	if (where_resolve(wish->where, &where, &error) < 0)
		return cli_fail(CLI_USAGE, "%s", error.text);
	int rc = where.mountpoint
			 ? overview_of_mount(where.mountpoint, wish->expired, &overview, &error)
			 : overview_of_store(&where.store, wish->expired, &overview, &error);
	where_done(&where);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "%s", error.text);
	if (wish->expiring_ms >= 0)
		overview_keep_expiring(&overview, wish->expiring_ms);
	overview_sort(&overview, wish->order, wish->reverse);
	int status = wish->json ? print_json(&overview) : print_table(&overview, wish->expired);
	overview_done(&overview);
	return status;
}

static int order_parse(const char *text, enum overview_order *ret)
{
	static const char *const names[] = {[OVERVIEW_BY_USE] = "used",
		[OVERVIEW_BY_LEFT] = "left",
		[OVERVIEW_BY_TURNS] = "turns",
		[OVERVIEW_BY_ID] = "id",
		[OVERVIEW_BY_TITLE] = "title"};
	for (int i = 0; i <= OVERVIEW_BY_TITLE; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*ret = (enum overview_order)i;
		return CLI_DONE;
	}
	return cli_fail(CLI_USAGE, "--sort needs one of used, left, turns, id, title");
}

static int expiring_parse(const char *text, int64_t *ret)
{
	if (text_span_parse(text, ret) == 0 && *ret >= 0)
		return CLI_DONE;
	return cli_fail(CLI_USAGE, "--expiring needs a time: 90s, 30m, 2h, 7d");
}

int command_list(int argc, char **argv)
{
	struct wish wish = {.expiring_ms = -1};
	const char *order = NULL, *expiring = NULL;
	const struct command_option options[] = {{.name = "json", .flag = &wish.json},
		{.name = "expired", .flag = &wish.expired},
		{.name = "reverse", .letter = "r", .flag = &wish.reverse},
		{.name = "sort", .value = &order, .wants = "an order"},
		{.name = "expiring", .value = &expiring, .wants = "a time"}, {0}};
	const struct command command = {.usage = "turnfs list [--json] [--sort ORDER] [--reverse] "
						 "[--expiring TIME] [--expired] [WHERE]",
		.help = help,
		.options = options,
		.operands = {&wish.where}};
	int status;
	if (!command_read(&command, argc, argv, &status))
		return status;
	if ((order && (status = order_parse(order, &wish.order)) != CLI_DONE) ||
		(expiring && (status = expiring_parse(expiring, &wish.expiring_ms)) != CLI_DONE))
		return status;
	if (wish.expired && expiring)
		return cli_fail(
			CLI_USAGE, "what --expired lists has expired: leave out --expiring");
	return list(&wish);
}
