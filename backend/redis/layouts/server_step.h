/* Checks and commands that are done in one step on the server, or not at all: lua/layout_step.lua.
 */
#pragma once

#include "inside.h"

/* All zero: nothing. What is added is borrowed until server_step_run() has returned. */
struct server_step {
	struct redis_args checks, commands;
	size_t check_count, command_count;
	struct { /* what server_step_enter() has added */
		char ledger[256], counter[256], mark[256], deadline[24];
		char *line;
	} entered;
};
void server_step_done(struct server_step *step);
#define CLEAN_SERVER_STEP __attribute__((cleanup(server_step_done)))

/* To these `words` words are to be added: a command whose reply must be as expected. */
struct redis_args *server_step_check(struct server_step *step, const char *expected, size_t words);
struct redis_args *server_step_check_blob(
	struct server_step *step, const struct blob *expected, size_t words);
struct redis_args *server_step_check_number(
	struct server_step *step, uint64_t expected, size_t words);

/* The same for a command that is done if all checks hold. */
struct redis_args *server_step_command(struct server_step *step, size_t words);
/*
 * The same, with a word that only the server knows: "t3", word 3 is to be a number and becomes
 * turn:(first command's reply - number); "d3", it is to be ms from now and becomes the time itself.
 */
struct redis_args *server_step_command_with(
	struct server_step *step, const char *flag, size_t words);

/* One line of the ledger, last in the step that it tells of. 0 or -ENOMEM. */
int server_step_enter(
	struct layout_store *s, const struct ledger_entry *line, struct server_step *step);

/*
 * 0; -EAGAIN: a check did not hold; else -errno, logged, and nothing was done. `ret_deadline` (may
 * be NULL): the thread's, as it is then; `ret_first` (may be NULL): the first command's reply,
 * which is to be a number.
 */
int server_step_run(struct layout_store *s, const struct keys *keys, struct server_step *step,
	bool durable, int64_t *ret_deadline, uint64_t *ret_first);

uint64_t random_number(void); /* 1 … 2^63-1, by chance */
