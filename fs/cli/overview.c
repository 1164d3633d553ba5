/* The threads of a mount or a store: read through the mount, or out of the store itself. */
#include "overview.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "expired_names.h"
#include "store_look.h"
#include "told.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { DOCUMENT_MAX = 64 << 20, PAGE = 500 };

void overview_done(struct overview *overview)
{
	for (size_t i = 0; i < overview->count; i++) {
		free(overview->items[i].id);
		free(overview->items[i].title);
	}
	free(overview->items);
	*overview = (struct overview){0};
}

static int make_room(struct overview *overview)
{
	if (overview->count < overview->capacity)
		return 0;
	size_t capacity = overview->capacity ? 2 * overview->capacity : 64;
	struct listed *items = reallocarray(overview->items, capacity, sizeof(*items));
	if (!items)
		return -ENOMEM;
	overview->items = items;
	overview->capacity = capacity;
	return 0;
}

int overview_add(struct overview *overview, const struct listed *item)
{
	struct listed copy = *item;
	copy.id = strdup(item->id);
	copy.title = item->title ? strdup(item->title) : NULL;
	if (!copy.id || (item->title && !copy.title) || make_room(overview) < 0) {
		free(copy.id);
		free(copy.title);
		return -ENOMEM;
	}
	overview->items[overview->count++] = copy;
	return 0;
}

static int compare_number(int64_t one, int64_t other)
{
	return (one > other) - (one < other);
}

static int compare_titles(const char *one, const char *other)
{
	if (!one || !other)
		return !one - !other;
	return strcoll(one, other);
}

struct order {
	enum overview_order by;
	bool reverse;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct listed *one = a, *other = b;
	const struct order *order = arg;
	int result = 0;
	switch (order->by) {
	case OVERVIEW_BY_USE:
		result = compare_number(other->updated_ns, one->updated_ns);
		break;
	case OVERVIEW_BY_LEFT:
		result = compare_number(one->deadline_ms, other->deadline_ms);
		break;
	case OVERVIEW_BY_TURNS:
		result = compare_number(other->turns, one->turns);
		break;
	case OVERVIEW_BY_TITLE:
		result = compare_titles(one->title, other->title);
		break;
	case OVERVIEW_BY_ID:
		break;
	}
	if (!result)
		result = strcmp(one->id, other->id);
	return order->reverse ? -result : result;
}

void overview_sort(struct overview *overview, enum overview_order by, bool reverse)
{
	struct order order = {.by = by, .reverse = reverse};
	if (overview->count)
		qsort_r(overview->items, overview->count, sizeof(*overview->items), compare,
			&order);
}

void overview_keep_expiring(struct overview *overview, int64_t within_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < overview->count; i++) {
		struct listed *item = &overview->items[i];
		if (item->deadline_ms != STORE_DEADLINE_NEVER &&
			item->deadline_ms - overview->now_ms <= within_ms) {
			overview->items[kept++] = *item;
			continue;
		}
		free(item->id);
		free(item->title);
	}
	overview->count = kept;
}

/* *ret is NULL if it is no JSON. 0 or -errno. */
static int document_read(const char *mountpoint, const char *id, json_t **ret)
{
	CLEAN_FREE char *path = NULL, *text = NULL;
	struct stat info;
	if (asprintf(&path, "%s/%s/thread.json", mountpoint, id) < 0)
		return -ENOMEM;
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &info) < 0)
		return -errno;
	size_t most = info.st_size < DOCUMENT_MAX ? (size_t)info.st_size : DOCUMENT_MAX;
	text = malloc(most + 1);
	ssize_t size = text ? read(fd, text, most) : -1;
	if (size < 0)
		return text ? -errno : -ENOMEM;
	*ret = json_parse(text, (size_t)size);
	return 0;
}

/* A thread that is gone again, or has no readable thread.json, is left out or shown bare. */
static int add_directory(struct overview *overview, const char *mountpoint, const char *id)
{
	json_auto_t *document = NULL;
	int rc = document_read(mountpoint, id, &document);
	const char *updated = json_string_value(json_object_get(document, "updated_at"));
	const char *expires = json_string_value(json_object_get(document, "expires_at"));
	int64_t expires_ns;
	struct listed item = {.id = (char *)id, .deadline_ms = STORE_DEADLINE_NEVER};
	if (rc == -ENOENT || rc == -ENOMEM || rc == -ETIMEDOUT)
		return rc == -ENOENT ? 0 : rc;
	item.title = (char *)json_string_value(json_object_get(document, "title"));
	item.turns = (uint32_t)json_integer_value(json_object_get(document, "turn_count"));
	if (updated)
		text_time_parse(updated, &item.updated_ns);
	if (expires && text_time_parse(expires, &expires_ns) == 0)
		item.deadline_ms = expires_ns / 1000000;
	return overview_add(overview, &item);
}

/* The whole directory, or an error: half a list looks like a whole one. */
static int add_all(struct overview *overview, DIR *root, const char *folder)
{
	int rc = 0;
	for (struct dirent *entry; rc == 0;) {
		errno = 0;
		entry = readdir(root);
		if (!entry)
			return -errno;
		if (entry->d_name[0] != '.')
			rc = add_directory(overview, folder, entry->d_name);
	}
	return rc;
}

int overview_of_mount(
	const char *mountpoint, bool expired, struct overview *ret, struct errtext *error)
{
	struct overview overview = {.now_ms = clock_wall_ns() / 1000000};
	CLEAN_FREE char *folder = NULL;
	int rc = asprintf(&folder, "%s%s", mountpoint, expired ? "/.turnfs/expired" : "") < 0
			 ? -ENOMEM
			 : 0;
	if (rc < 0)
		return errtext_set(error, rc, "out of memory");
	DIR *root = opendir(folder);
	if (!root)
		return told_trouble(mountpoint, -errno, error);
	rc = add_all(&overview, root, folder);
	closedir(root);
	if (rc < 0) {
		overview_done(&overview);
		return told_trouble(mountpoint, rc, error);
	}
	*ret = overview;
	return 0;
}

static int add_thread(struct overview *overview, struct store *store,
	const struct thread_info *info, const char *shown)
{
	CLEAN_BLOB struct blob *text = NULL;
	const struct thread_ref ref = {info->id, info->gen};
	uint64_t revision;
	int rc = store_doc_read(store, ref, &text, &revision);
	if (rc == -ENOENT)
		return 0;
	json_auto_t *document = json_parse(blob_data(text), blob_size(text));
	const json_t *own = json_object_get(document, "own");
	return overview_add(
		overview, &(struct listed){
				  .id = (char *)shown,
				  .title = (char *)json_string_value(json_object_get(own, "title")),
				  .turns = info->turns,
				  .updated_ns = info->mtime_ns,
				  .deadline_ms = info->deadline_ms,
			  });
}

static int add_live(struct overview *overview, struct store *store)
{
	bool more = true;
	for (uint64_t after = 0; more;) {
		struct thread_page page = {0};
		int rc = store_thread_list(store, THREAD_LIVE, after, PAGE, &page);
		for (size_t i = 0; rc == 0 && i < page.count; i++) {
			after = page.items[i].gen;
			rc = add_thread(overview, store, &page.items[i], page.items[i].id);
		}
		more = page.more;
		thread_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Under the names that .turnfs/expired gives them. */
static int add_expired(struct overview *overview, struct store *store)
{
	struct expired_names names;
	struct thread_info info;
	int rc = expired_names_load(store, &names);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < names.count && !rc; i++) {
		const struct thread_ref ref = {"", names.items[i].gen};
		rc = store_thread_stat(store, ref, &info);
		if (!rc)
			rc = add_thread(overview, store, &info, names.items[i].name);
		if (rc == -ENOENT) /* erased meanwhile */
			rc = 0;
	}
	expired_names_done(&names);
	return rc;
}

int overview_of_store(
	const struct store_name *name, bool expired, struct overview *ret, struct errtext *error)
{
	struct store *store = NULL;
	struct overview overview = {0};
	int rc = store_look(name, &store, error);
	if (rc < 0)
		return rc;
	overview.now_ms = store_now_ms(store);
	rc = expired ? add_expired(&overview, store) : add_live(&overview, store);
	store_close(store);
	if (rc < 0) {
		overview_done(&overview);
		return errtext_set(error, rc, "cannot list the store: %s", strerror(-rc));
	}
	*ret = overview;
	return 0;
}
