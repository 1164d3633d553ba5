/* How the values of options are read: one function a kind of value, for the table in options.c. */
#pragma once

#include "options.h"

#define OPTION_PREFIX_DEFAULT "turnfs:"
#define OPTION_TTL_DEFAULT "default"
#define OPTION_TTL_OPTION "option ttl"
#define OPTION_TTL_HOURS "CONVERSATION_TIMEOUT_HOURS"

struct option_rule;

/* Reads `value` into its place in `options`. 0, -ENOMEM, or -EINVAL with the sentence. */
typedef int option_set(struct cli_options *options, const struct option_rule *rule,
	const char *value, struct errtext *error);

struct option_rule {
	const char *name;
	option_set *set;
	size_t offset; /* of its place in struct cli_options */
	int64_t least, most;
	bool takes_value;
};

option_set option_ttl, option_span, option_timeout, option_sync, option_size, option_flag,
	option_flag_off, option_uid, option_gid, option_umask, option_announce, option_text,
	option_layout, option_count;

/* "3", "0.5" or "never" as CONVERSATION_TIMEOUT_HOURS has it. 0 or -EINVAL. */
int option_hours_parse(const char *text, int64_t *ret_ms);
