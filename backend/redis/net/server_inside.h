/* What server.c reads and server_words.c judges: pure, so that tests can feed it. */
#pragma once

#include "server.h"

/* Of CONFIG GET; "" if it is forbidden. */
struct server_config {
	char appendonly[8], appendfsync[16], save[128], policy[32], stop_writes[8];
	bool known;
};

/* `info`: INFO's whole text, "" if that is forbidden too. */
void server_judge(const char *info, const struct server_config *config,
	const struct redis_facts *facts, unsigned replicas, struct redis_server *ret);
