/* The options of a mount: from `-o a,b=c`, `--a`, and what follows '?' in a store's name. */
#pragma once

#include "mount.h"

/* What only a server (Redis) uses. */
struct server_options {
	char *prefix, *layout, *match; /* ours; layout and match NULL: none */
	uint32_t max_turns; /* 0: no limit */
	uint32_t replicas;
	bool allow_eviction;
};

struct cli_options {
	struct mount_options mount;
	struct server_options server;
	const char *ttl_source; /* a string constant: who said so */
};

/* The defaults of SEMANTICS.md. */
void options_init(struct cli_options *options);
void options_done(struct cli_options *options);

/*
 * Each sets what it is told, in order, later ones over earlier ones. 0, or -EINVAL (unknown, or a
 * bad value) with the sentence in `error`; -ENOMEM.
 */
int options_set(
	struct cli_options *options, const char *name, const char *value, struct errtext *error);
/* "a,b=c", a comma in a value as "\,"; what only fstab and mount(8) use is skipped. */
int options_set_list(struct cli_options *options, const char *list, struct errtext *error);
/* "a&b=c", with %XX. */
int options_set_query(struct cli_options *options, const char *query, struct errtext *error);

/* The ttl out of CONVERSATION_TIMEOUT_HOURS (NULL: unset) unless an option has set it (T2). */
int options_set_hours(struct cli_options *options, const char *hours, struct errtext *error);

/* What a server's store is opened with; borrows the strings. */
struct store_server options_server(const struct cli_options *options);

/*
 * Whether all of it goes together; what follows from it (layout=: no grace) is set. `server`: the
 * store is one. 0 or -EINVAL.
 */
int options_check(struct cli_options *options, bool server, struct errtext *error);

/* Whether there is an option of that name; then whether it needs a value ("--ttl 24h"). */
bool options_has(const char *name, bool *ret_takes_value);
