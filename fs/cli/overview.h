/* The threads of a mount or a store, as `turnfs list` shows them. */
#pragma once

#include "backend.h"
#include "store_name.h"

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

/* The live threads, or those that expired and can be restored. 0, or -errno with the sentence. */
int overview_of_mount(
	const char *mountpoint, bool expired, struct overview *ret, struct errtext *error);
int overview_of_store(
	const struct store_name *name, bool expired, struct overview *ret, struct errtext *error);
void overview_done(struct overview *overview);

/* Adds one; id and title are copied. 0 or -ENOMEM. */
int overview_add(struct overview *overview, const struct listed *item);

enum overview_order {
	OVERVIEW_BY_USE, /* last used first */
	OVERVIEW_BY_LEFT, /* the least time left first */
	OVERVIEW_BY_TURNS, /* the most turns first */
	OVERVIEW_BY_ID,
	OVERVIEW_BY_TITLE, /* those without one last */
};
void overview_sort(struct overview *overview, enum overview_order order, bool reverse);

/* Drops what does not expire within so long. */
void overview_keep_expiring(struct overview *overview, int64_t within_ms);
