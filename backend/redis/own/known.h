/* The threads that this handle has seen live: what a store that loses them is asked about (R5). */
#pragma once

#include "backend.h"

#include <pthread.h>

struct known_thread;

struct known {
	pthread_mutex_t lock; /* all below */
	struct known_thread *threads; /* by generation */
	struct known_thread *lost; /* by name: gone from the store before their deadline */
	uint64_t files; /* of all that are known */
};

void known_init(struct known *known);
void known_done(struct known *known);

/* It was seen as `info` says; without memory for it, it is not remembered. */
void known_seen(struct known *known, const struct thread_info *info);
void known_forget(struct known *known, uint64_t gen); /* it was removed, as it should be */

/* What is remembered of a thread: id, gen, ttl, deadline and turns are set. False: nothing. */
bool known_get(struct known *known, uint64_t gen, struct thread_info *ret);

/* Generations that are known, behind `after`, at most `limit`; how many. In no order but a fixed
 * one. */
size_t known_page(struct known *known, size_t after, size_t limit, uint64_t *ret);

/* Moves it to the lost. False: it was not known. */
bool known_lose(struct known *known, uint64_t gen, struct thread_info *ret);

/* Whether a thread of that name is lost and would still be live at `now_ms`. */
bool known_is_lost(struct known *known, const char *id, int64_t now_ms);

/* Forgets those whose deadline is past. */
void known_tidy(struct known *known, int64_t now_ms);

/* How many files they have together. */
uint64_t known_files(struct known *known);
