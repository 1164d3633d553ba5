/* Names for the lives of threads that are in grace. */
#include "expired_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 1000 };

struct life {
	char *id;
	uint64_t gen;
	int64_t deadline_ms;
};

struct lives {
	struct life *items;
	size_t count, capacity;
};

static void lives_done(struct lives *lives)
{
	for (size_t i = 0; i < lives->count; i++)
		free(lives->items[i].id);
	free(lives->items);
}

static int lives_add(struct lives *lives, const struct thread_info *info)
{
	if (lives->count == lives->capacity) {
		size_t capacity = lives->capacity ? 2 * lives->capacity : 64;
		struct life *items = realloc(lives->items, capacity * sizeof *items);
		if (!items)
			return -ENOMEM;
		lives->items = items;
		lives->capacity = capacity;
	}
	struct life life = {
		.id = strdup(info->id), .gen = info->gen, .deadline_ms = info->deadline_ms};
	if (!life.id)
		return -ENOMEM;
	lives->items[lives->count++] = life;
	return 0;
}

static int lives_load(struct store *store, struct lives *lives)
{
	uint64_t after = 0;
	for (bool more = true; more;) {
		struct thread_page page;
		int rc = store_thread_list(store, THREAD_GRACE, after, PAGE, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count && !rc; i++)
			rc = lives_add(lives, &page.items[i]);
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].gen;
		thread_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* By id; of one id the latest first. */
static int life_compare(const void *a, const void *b)
{
	const struct life *left = a, *right = b;
	int order = strcmp(left->id, right->id);
	if (order)
		return order;
	if (left->deadline_ms != right->deadline_ms)
		return left->deadline_ms > right->deadline_ms ? -1 : 1;
	return left->gen > right->gen ? -1 : left->gen < right->gen;
}

static bool is_latest(const struct lives *lives, size_t i)
{
	return !i || strcmp(lives->items[i - 1].id, lives->items[i].id);
}

/* Takes over `name`. */
static int name_add(struct expired_names *names, char *name, uint64_t gen)
{
	struct expired_name *item = &names->items[names->count];
	*item = (struct expired_name){.name = name, .gen = gen};
	if (!name)
		return -ENOMEM;
	names->count++;
	HASH_ADD_KEYPTR(hh, names->by_name, name, strlen(name), item);
	return item->unhashed ? -ENOMEM : 0;
}

/* ID~N, within the length of a name and with no character cut in two. */
static char *numbered(const char *id, unsigned number)
{
	char suffix[16], *name;
	int added = snprintf(suffix, sizeof suffix, "~%u", number);
	size_t length = strlen(id);
	if (length + (size_t)added > STORE_NAME_MAX) {
		length = STORE_NAME_MAX - (size_t)added;
		while (length && ((unsigned char)id[length] & 0xc0) == 0x80)
			length--;
	}
	return asprintf(&name, "%.*s%s", (int)length, id, suffix) < 0 ? NULL : name;
}

/* The next free ID~N after `number`. */
static int older_add(struct expired_names *names, const struct life *life, unsigned *number)
{
	for (;;) {
		char *name = numbered(life->id, ++*number);
		if (!name || !expired_names_find(names, name))
			return name_add(names, name, life->gen);
		free(name);
	}
}

static int names_give(const struct lives *lives, struct expired_names *names)
{
	names->items = calloc(lives->count + 1, sizeof *names->items);
	int rc = names->items ? 0 : -ENOMEM;
	for (size_t i = 0; i < lives->count && !rc; i++)
		if (is_latest(lives, i))
			rc = name_add(names, strdup(lives->items[i].id), lives->items[i].gen);
	unsigned number = 1;
	for (size_t i = 0; i < lives->count && !rc; i++) {
		if (is_latest(lives, i))
			number = 1;
		else
			rc = older_add(names, &lives->items[i], &number);
	}
	return rc;
}

int expired_names_load(struct store *store, struct expired_names *ret)
{
	struct lives lives = {0};
	struct expired_names names = {0};
	int rc = lives_load(store, &lives);
	if (!rc && lives.count)
		qsort(lives.items, lives.count, sizeof *lives.items, life_compare);
	if (!rc)
		rc = names_give(&lives, &names);
	lives_done(&lives);
	if (rc < 0)
		expired_names_done(&names);
	else
		*ret = names;
	return rc;
}

void expired_names_done(struct expired_names *names)
{
	HASH_CLEAR(hh, names->by_name);
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i].name);
	free(names->items);
	*names = (struct expired_names){0};
}

uint64_t expired_names_find(const struct expired_names *names, const char *name)
{
	struct expired_name *item;
	HASH_FIND_STR(names->by_name, name, item);
	return item ? item->gen : 0;
}
