/* A heap of instants at which something is to be done about a thread, nearest first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
	int64_t at_ms;
	uint64_t gen;
};

struct deadlines {
	struct deadline *items;
	size_t count, capacity;
};

/* False on lack of memory: it is not there then. */
bool deadlines_push(struct deadlines *heap, int64_t at_ms, uint64_t gen);

/* The nearest one, with all that are equal to it; false if none is at `now_ms` or before. */
bool deadlines_pop(struct deadlines *heap, int64_t now_ms, struct deadline *ret);

/* Forgets those after `now_ms`, which are about to be read anew. */
void deadlines_drop_after(struct deadlines *heap, int64_t now_ms);

/* When the nearest one is; INT64_MAX: there is none. */
int64_t deadlines_nearest_ms(const struct deadlines *heap);
void deadlines_done(struct deadlines *heap);
