/* The mount's one door for the command line: options in, a served mountpoint until it is unmounted.
 */
#pragma once

#include "backend.h"

enum announce_mode { ANNOUNCE_OFF, ANNOUNCE_AUTO, ANNOUNCE_ON };

/* What `-o` and its long forms set; every value is in force as it stands (no "unset"). */
struct mount_options {
	int64_t ttl_ms; /* of new threads; STORE_TTL_NEVER */
	int64_t grace_ms; /* 0: none */
	int64_t warn_ms;
	int timeout_ms;
	uint64_t max_file_size; /* bytes */
	bool sync_fsync; /* -o sync=fsync: only fsync() is durable */
	bool read_only;
	bool no_exec; /* nothing on it can be run; mount(8) asks for it with `user` */
	bool allow_other, allow_root;
	bool uid_set, gid_set, umask_set; /* shown instead of what is kept */
	unsigned uid, gid, umask;
	enum announce_mode announce;
	struct announcer *announcer; /* the process that does it, or NULL; announcer.h */
	struct remote *remote; /* what others change, for a shared store; else NULL; remote.h */
	const char *ledger_copy; /* this machine's, a file, or NULL; ledger_copy.h */
	bool debug;
	const char *source; /* the store as it may be shown: without a password */
	const char *config; /* text of .turnfs/config: the options in force, redacted */
};

/*
 * Mounts `store` on `mountpoint` (an absolute path, checked by the caller) and serves it until it
 * is unmounted or SIGTERM or SIGINT comes; commits, unmounts, leaves the store open. `ready` is
 * called once, when the mount answers. 0; or -errno with the sentence in `error` if it could not
 * mount.
 */
int mount_serve(struct store *store, const struct mount_options *options, const char *mountpoint,
	void (*ready)(void *arg), void *arg, struct errtext *error);
