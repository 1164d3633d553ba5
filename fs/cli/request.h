/* What `turnfs mount` was asked for: arguments, environment and defaults put together. */
#pragma once

#include "options.h"
#include "store_name.h"

struct mount_request {
	struct cli_options options;
	struct store_name store;
	const char *mountpoint; /* as given; NULL: none, list the mounts */
	bool foreground;
	bool fake; /* mount(8) -f: check only */
	bool help, version;
};

/*
 * Reads argv; called as mount.turnfs it takes mount(8)'s letters. 0, or -errno with the sentence.
 */
int mount_request_read(struct mount_request *request, int argc, char **argv, struct errtext *error);
void mount_request_done(struct mount_request *request);
