/* How the values of options are read: one function a kind of value. */
#include "option_value.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *place(struct cli_options *options, const struct option_rule *rule)
{
	return (char *)options + rule->offset;
}

static int bad(
	const struct option_rule *rule, const char *value, const char *hint, struct errtext *error)
{
	return errtext_set(error, -EINVAL, "%s=%s is no good: %s", rule->name, value, hint);
}

int option_ttl(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	int64_t ms;
	if (text_span_parse(value, &ms) < 0 || ms == 0 || ms > STORE_TTL_MAX_MS)
		return bad(rule, value, "use a time such as 90s, 30m, 3h, 7d, or never", error);
	options->mount.ttl_ms = ms;
	options->ttl_source = OPTION_TTL_OPTION;
	return 0;
}

int option_span(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	int64_t ms;
	if (text_span_parse(value, &ms) < 0 || ms < rule->least || ms > rule->most)
		return bad(
			rule, value, "use a time such as 90s, 30m, 3h, 7d, or 0 for none", error);
	*(int64_t *)place(options, rule) = ms;
	return 0;
}

int option_timeout(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	int64_t ms;
	if (text_span_parse(value, &ms) < 0 || ms < rule->least || ms > rule->most)
		return bad(rule, value, "use a time such as 500ms, 5s or 1m, at most 1h", error);
	*(int *)place(options, rule) = (int)ms;
	return 0;
}

int option_size(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	uint64_t size;
	if (text_size_parse(value, &size) < 0 || size < (uint64_t)rule->least ||
		size > (uint64_t)rule->most)
		return bad(rule, value, "use a size such as 512k, 64M or 1G, at most 1G", error);
	*(uint64_t *)place(options, rule) = size;
	return 0;
}

int option_sync(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	bool fsync_only = !strcmp(value, "fsync");
	if (!fsync_only && strcmp(value, "close") != 0)
		return bad(rule, value, "use close or fsync", error);
	*(bool *)place(options, rule) = fsync_only;
	return 0;
}

int option_flag(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	bool on = !value || !strcmp(value, "on");
	if (!on && strcmp(value, "off") != 0)
		return bad(rule, value, "use it alone, or with on or off", error);
	*(bool *)place(options, rule) = on;
	return 0;
}

int option_flag_off(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	if (value)
		return bad(rule, value, "use it alone", error);
	*(bool *)place(options, rule) = false;
	return 0;
}

/* Decimal or octal digits and nothing else, as strtoull() would allow. */
static int number_parse(const char *text, int base, uint64_t most, uint64_t *ret)
{
	const char *digits = base == 8 ? "01234567" : "0123456789";
	size_t length = strspn(text, digits);
	if (!length || text[length] || length > 18)
		return -EINVAL;
	uint64_t number = strtoull(text, NULL, base);
	if (number > most)
		return -EINVAL;
	*ret = number;
	return 0;
}

static int id_parse(
	const struct option_rule *rule, const char *value, unsigned *ret, struct errtext *error)
{
	uint64_t id;
	if (number_parse(value, 10, UINT32_MAX - 1, &id) < 0)
		return bad(rule, value, "use a number, as `id` shows it", error);
	*ret = (unsigned)id;
	return 0;
}

int option_uid(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	int rc = id_parse(rule, value, &options->mount.uid, error);
	options->mount.uid_set |= rc == 0;
	return rc;
}

int option_gid(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	int rc = id_parse(rule, value, &options->mount.gid, error);
	options->mount.gid_set |= rc == 0;
	return rc;
}

int option_umask(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	uint64_t mask;
	if (number_parse(value, 8, 0777, &mask) < 0)
		return bad(rule, value, "use an octal number such as 022 or 077", error);
	options->mount.umask = (unsigned)mask;
	options->mount.umask_set = true;
	return 0;
}

int option_count(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	uint64_t count;
	if (number_parse(value, 10, (uint64_t)rule->most, &count) < 0)
		return errtext_set(error, -EINVAL,
			"%s=%s is no good: use a number from %lld to %lld", rule->name, value,
			(long long)rule->least, (long long)rule->most);
	*(uint32_t *)place(options, rule) = (uint32_t)count;
	return 0;
}

int option_announce(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	static const char *const names[] = {"off", "auto", "on"};
	for (int i = 0; i < 3; i++) {
		if (!strcmp(value, names[i])) {
			options->mount.announce = (enum announce_mode)i;
			return 0;
		}
	}
	return bad(rule, value, "use off, auto or on", error);
}

int option_text(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	if (strlen(value) > (size_t)rule->most)
		return errtext_set(error, -EINVAL, "%s is longer than %lld bytes: shorten it",
			rule->name, (long long)rule->most);
	char *copy = strdup(value);
	if (!copy)
		return errtext_set(error, -ENOMEM, "out of memory");
	char **slot = place(options, rule);
	free(*slot);
	*slot = copy;
	return 0;
}

int option_layout(struct cli_options *options, const struct option_rule *rule, const char *value,
	struct errtext *error)
{
	static const char *const names[] = {"zen", "langchain", "langchain-js", "openai-agents",
		"llamaindex", "agent-framework"};
	const struct option_rule text = {rule->name, NULL, rule->offset, 0, 32, true};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(value, names[i]))
			return option_text(options, &text, value, error);
	return bad(rule, value,
		"use zen, langchain, langchain-js, openai-agents, llamaindex or agent-framework, "
		"or leave it out for turnfs's own",
		error);
}

int option_hours_parse(const char *text, int64_t *ret_ms)
{
	if (!strcmp(text, "never")) {
		*ret_ms = STORE_TTL_NEVER;
		return 0;
	}
	size_t whole = strspn(text, "0123456789");
	size_t point = text[whole] == '.';
	size_t rest = point ? strspn(text + whole + 1, "0123456789") : 0;
	if (whole + rest == 0 || (point && !rest) || text[whole + point + rest])
		return -EINVAL;
	double ms = strtod(text, NULL) * 3600e3; /* no locale is set: the point is a point */
	if (!(ms >= 1 && ms <= (double)STORE_TTL_MAX_MS))
		return -EINVAL;
	*ret_ms = (int64_t)(ms + 0.5);
	return 0;
}
