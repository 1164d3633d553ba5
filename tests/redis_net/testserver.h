/* A Redis server for a test, on a unix socket in a temporary folder of its own. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <sys/types.h>

struct test_server {
	pid_t pid; /* 0: not running */
	char folder[40], path[64];
	const char *program;
	const char *args[16]; /* borrowed, NULL-terminated */
};

/* A listening TCP socket on loopback; and a port of it that nobody uses just now. */
int loopback_listen(int *ret_port);
int loopback_port(void);

bool server_is_there(const char *program);
/* `args`: further ones, NULL-terminated. Waits until it answers anything at all. */
void server_start(struct test_server *s, const char *program, const char *const *args);
void server_start_again(struct test_server *s); /* in the same folder */
void server_kill(struct test_server *s); /* SIGKILL; the folder stays */
void server_done(struct test_server *s);

/* Sends a command as redisCommand() has it, on a connection of its own; never NULL. */
redisReply *server_ask(struct test_server *s, const char *format, ...);
/* The same where the answer is an integer, or does not matter; an error fails the test. */
long long server_do(struct test_server *s, const char *format, ...);
