/* What all stores share: finding the one that a name means, and the endings of what they hand out.
 */
#include "backend.h"

#include "base/cleanup.h"
#include "memory.h"
#include "redis/redis_store.h"
#include "sqlite/sqlite_store.h"

#include <errno.h>
#include <string.h>

void file_info_done(struct file_info *info)
{
	if (!info)
		return;
	blob_unref(info->meta);
	info->meta = NULL;
}

void thread_page_done(struct thread_page *page)
{
	if (!page)
		return;
	free(page->items);
	*page = (struct thread_page){0};
}

void file_page_done(struct file_page *page)
{
	if (!page)
		return;
	for (size_t i = 0; i < page->count; i++) {
		file_info_done(&page->items[i]);
		if (page->contents)
			blob_unref(page->contents[i]);
	}
	free(page->items);
	free(page->contents);
	*page = (struct file_page){0};
}

void lost_page_done(struct lost_page *page)
{
	if (!page)
		return;
	for (size_t i = 0; i < page->count; i++)
		blob_unref(page->items[i].content);
	free(page->items);
	*page = (struct lost_page){0};
}

void ledger_page_done(struct ledger_page *page)
{
	if (!page)
		return;
	free(page->items);
	*page = (struct ledger_page){0};
}

/* The length of the "word" of a leading "word:" (RFC 3986's scheme), or 0. */
static size_t scheme_length(const char *where)
{
	size_t length = strspn(where, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789+.-");
	return where[length] == ':' ? length : 0;
}

static bool scheme_is(const char *where, size_t length, const char *scheme)
{
	return strlen(scheme) == length && strncasecmp(where, scheme, length) == 0;
}

static int sqlite_open_path(const char *path, const struct store_options *options,
	struct store **ret, struct errtext *error)
{
	if (*path == '\0')
		return errtext_set(error, -EINVAL,
			"The store's path is empty; name a file, as in sqlite:/home/me/turns.db");
	return sqlite_store_open(path, options, ret, error);
}

int store_open(const char *where, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	size_t length = scheme_length(where);
	if (length == 0)
		return sqlite_open_path(where, options, ret, error);
	if (scheme_is(where, length, "sqlite"))
		return sqlite_open_path(where + length + 1, options, ret, error);
	if (scheme_is(where, length, "memory")) {
		if (where[length + 1] != '\0')
			return errtext_set(error, -EINVAL,
				"memory: takes nothing behind the colon; write just memory:");
		return memory_store_open(options, ret, error);
	}
	if (scheme_is(where, length, "redis") || scheme_is(where, length, "rediss") ||
		scheme_is(where, length, "redis+unix") || scheme_is(where, length, "unix"))
		return redis_store_open(where, options, ret, error);
	/* Of anything else only the scheme is repeated: the rest may hold a password (S2). */
	return errtext_set(error, -EINVAL,
		"%.*s: is no kind of store; use a path, sqlite:PATH, redis://… or memory: "
		"(a path with a colon in its first part is written ./NAME)",
		(int)length, where);
}

void store_close(struct store *store)
{
	if (store)
		store->ops->close(store);
}
