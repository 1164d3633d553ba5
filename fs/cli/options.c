/* The options of a mount: the table, and the three ways in. */
#include "options.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "option_value.h"

#include <errno.h>
#include <string.h>

enum {
	GRACE_DEFAULT_MS = 24 * 3600 * 1000,
	GRACE_NOT_GIVEN_MS = -1,
};

#define OPTION(member) offsetof(struct cli_options, member)

static const struct option_rule rules[] = {
	{"ttl", option_ttl, OPTION(mount.ttl_ms), 0, 0, true},
	{"grace", option_span, OPTION(mount.grace_ms), 0, STORE_TTL_MAX_MS, true},
	{"warn", option_span, OPTION(mount.warn_ms), 0, STORE_TTL_MAX_MS, true},
	{"timeout", option_timeout, OPTION(mount.timeout_ms), 1, 3600 * 1000, true},
	{"sync", option_sync, OPTION(mount.sync_fsync), 0, 0, true},
	{"max_file_size", option_size, OPTION(mount.max_file_size), 1, 1 << 30, true},
	{"ro", option_flag, OPTION(mount.read_only), 0, 0, false},
	{"rw", option_flag_off, OPTION(mount.read_only), 0, 0, false},
	{"noexec", option_flag, OPTION(mount.no_exec), 0, 0, false},
	{"exec", option_flag_off, OPTION(mount.no_exec), 0, 0, false},
	{"allow_other", option_flag, OPTION(mount.allow_other), 0, 0, false},
	{"allow_root", option_flag, OPTION(mount.allow_root), 0, 0, false},
	{"uid", option_uid, OPTION(mount), 0, 0, true},
	{"gid", option_gid, OPTION(mount), 0, 0, true},
	{"umask", option_umask, OPTION(mount), 0, 0, true},
	{"announce", option_announce, OPTION(mount.announce), 0, 0, true},
	{"prefix", option_text, OPTION(server.prefix), 0, 128, true},
	{"layout", option_layout, OPTION(server.layout), 0, 0, true},
	{"match", option_text, OPTION(server.match), 0, 512, true},
	{"max_turns", option_count, OPTION(server.max_turns), 0, STORE_TURN_MAX, true},
	{"replicas", option_count, OPTION(server.replicas), 0, 255, true},
	{"allow_eviction", option_flag, OPTION(server.allow_eviction), 0, 0, false},
};

/* fstab(5), mount(8) and systemd.mount(5) have a use for these; a FUSE mount has none. */
static const char *const skipped[] = {"defaults", "auto", "noauto", "user", "nouser", "users",
	"owner", "group", "nofail", "_netdev", "nosuid", "nodev", "async", "atime", "noatime",
	"relatime", "norelatime", "strictatime", "nostrictatime", "diratime", "nodiratime",
	"lazytime", "nolazytime", "iversion", "noiversion", "silent", "loud", "mand", "nomand"};
static const char *const skipped_with_value[] = {
	"x-", "X-", "comment=", "user=", "owner=", "helper=", "uhelper="};

void options_init(struct cli_options *options)
{
	*options = (struct cli_options){
		.mount = {.ttl_ms = 24 * 3600 * 1000,
			.grace_ms = GRACE_NOT_GIVEN_MS,
			.warn_ms = 3600 * 1000,
			.timeout_ms = 5000,
			.max_file_size = 64 << 20,
			.announce = ANNOUNCE_AUTO},
		.ttl_source = OPTION_TTL_DEFAULT,
	};
}

void options_done(struct cli_options *options)
{
	free(options->server.prefix);
	free(options->server.layout);
	free(options->server.match);
	options->server = (struct server_options){0};
}

static const struct option_rule *rule_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

/* --max-file-size is max_file_size too. */
static void name_normalize(const char *name, char ret[64])
{
	snprintf(ret, 64, "%s", name);
	for (char *c = ret; *c; c++)
		if (*c == '-')
			*c = '_';
}

bool options_has(const char *name, bool *ret_takes_value)
{
	char normal[64];
	name_normalize(name, normal);
	const struct option_rule *rule = rule_find(normal);
	if (rule && ret_takes_value)
		*ret_takes_value = rule->takes_value;
	return rule;
}

int options_set(
	struct cli_options *options, const char *name, const char *value, struct errtext *error)
{
	char normal[64];
	name_normalize(name, normal);
	const struct option_rule *rule = rule_find(normal);
	if (!rule && (!strcmp(name, "suid") || !strcmp(name, "dev")))
		return errtext_set(error, -EINVAL,
			"option %s is refused: turnfs mounts are always nosuid,nodev; leave it out",
			name);
	if (!rule)
		return errtext_set(error, -EINVAL,
			"there is no option '%s': `turnfs mount --help` lists them", name);
	if (rule->takes_value && (!value || !*value))
		return errtext_set(error, -EINVAL, "option %s needs a value: %s=…", normal, normal);
	return rule->set(options, rule, value, error);
}

static bool is_skipped(const char *part)
{
	for (size_t i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++)
		if (!strcmp(part, skipped[i]))
			return true;
	for (size_t i = 0; i < sizeof(skipped_with_value) / sizeof(skipped_with_value[0]); i++)
		if (!strncmp(part, skipped_with_value[i], strlen(skipped_with_value[i])))
			return true;
	return !*part;
}

/* Cuts the next part off *cursor, at a comma without a backslash before it, which it removes. */
static char *list_next(char **cursor)
{
	if (!*cursor)
		return NULL;
	char *part = *cursor, *in = part, *out = part;
	for (; *in && *in != ','; in++) {
		if (in[0] == '\\' && (in[1] == ',' || in[1] == '\\'))
			in++;
		*out++ = *in;
	}
	*cursor = *in ? in + 1 : NULL;
	*out = '\0';
	return part;
}

/* "name=value" or "name". */
static int part_set(struct cli_options *options, char *part, struct errtext *error)
{
	char *value = strchr(part, '=');
	if (value)
		*value++ = '\0';
	return options_set(options, part, value, error);
}

int options_set_list(struct cli_options *options, const char *list, struct errtext *error)
{
	CLEAN_FREE char *copy = strdup(list);
	if (!copy)
		return errtext_set(error, -ENOMEM, "out of memory");
	char *cursor = copy;
	for (char *part; (part = list_next(&cursor));) {
		int rc = is_skipped(part) ? 0 : part_set(options, part, error);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX becomes its byte; anything else, and %00, stays as it is. */
static void percent_decode(char *text)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		int high = in[0] == '%' ? hex_digit(in[1]) : -1;
		int low = high >= 0 ? hex_digit(in[2]) : -1;
		if (low >= 0 && high + low > 0) {
			*out++ = (char)(high << 4 | low);
			in += 2;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

int options_set_query(struct cli_options *options, const char *query, struct errtext *error)
{
	CLEAN_FREE char *copy = strdup(query);
	if (!copy)
		return errtext_set(error, -ENOMEM, "out of memory");
	char *cursor = copy;
	for (char *part; (part = strsep(&cursor, "&"));) {
		percent_decode(part);
		int rc = *part ? part_set(options, part, error) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int options_set_hours(struct cli_options *options, const char *hours, struct errtext *error)
{
	if (!hours || strcmp(options->ttl_source, OPTION_TTL_DEFAULT) != 0)
		return 0;
	int rc = option_hours_parse(hours, &options->mount.ttl_ms);
	if (rc < 0)
		return errtext_set(error, rc,
			"CONVERSATION_TIMEOUT_HOURS='%s' is not a number of hours over 0: set it "
			"to "
			"3, 0.5 or never, or unset it for 24",
			hours);
	options->ttl_source = OPTION_TTL_HOURS;
	return 0;
}

struct store_server options_server(const struct cli_options *options)
{
	return (struct store_server){
		.prefix = options->server.prefix,
		.layout = options->server.layout,
		.match = options->server.match,
		.max_turns = options->server.max_turns,
		.replicas = options->server.replicas,
		.allow_eviction = options->server.allow_eviction,
	};
}

static const char *first_server_option(const struct server_options *server)
{
	if (server->prefix && strcmp(server->prefix, OPTION_PREFIX_DEFAULT) != 0)
		return "prefix";
	if (server->layout)
		return "layout";
	if (server->match)
		return "match";
	if (server->max_turns)
		return "max_turns";
	if (server->replicas)
		return "replicas";
	return server->allow_eviction ? "allow_eviction" : NULL;
}

int options_check(struct cli_options *options, bool server, struct errtext *error)
{
	if (options->mount.allow_other && options->mount.allow_root)
		return errtext_set(error, -EINVAL,
			"allow_other and allow_root exclude each other: choose one");
	if (options->server.layout && options->mount.grace_ms > 0)
		return errtext_set(error, -EINVAL,
			"a chat server's threads have no grace, for Redis erases them at their "
			"deadline: leave grace= out with layout=");
	if (options->mount.grace_ms == GRACE_NOT_GIVEN_MS)
		options->mount.grace_ms = options->server.layout ? 0 : GRACE_DEFAULT_MS;
	const char *name = first_server_option(&options->server);
	if (name && !server)
		return errtext_set(error, -EINVAL,
			"option %s has a meaning with Redis only: leave it out for a local store",
			name);
	return 0;
}
