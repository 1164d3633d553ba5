/* The threads of a mount or a store, as `turnfs list` shows them. */
#pragma once

#include "backend.h"

struct listed {
	char *id, *title; /* title NULL: none */
	uint32_t turns;
	int64_t updated_ns;
	int64_t deadline_ms; /* STORE_DEADLINE_NEVER */
};

struct overview {
	struct listed *items;
	size_t count, capacity;
	int64_t now_ms; /* by the clock that the deadlines are of */
};

/* The live threads. 0, or -errno with the sentence. */
int overview_of_mount(const char *mountpoint, struct overview *ret, struct errtext *error);
int overview_of_store(const char *where, struct overview *ret, struct errtext *error);
void overview_done(struct overview *overview);

/* Adds one; id and title are copied. 0 or -ENOMEM. */
int overview_add(struct overview *overview, const struct listed *item);

/* Last used first. */
void overview_sort(struct overview *overview);
