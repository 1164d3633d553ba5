/*
 * Whether somebody still wants what a thread is doing: who serves requests says so, who waits for a
 * server asks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * From now on what this thread does is given up once *word is `value`. NULL: nothing is. The word
 * stays for as long as it is watched.
 */
void interrupt_watch(const _Atomic uint64_t *word, uint64_t value);

/* Whether what this thread does is given up: a wait for others ends as if its time were up. */
bool interrupt_is_asked(void);

enum { INTERRUPT_STEP_MS = 100 }; /* how often who waits shall ask */
