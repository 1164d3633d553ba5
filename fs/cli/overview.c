/* The threads of a mount or a store: read through the mount, or out of the store itself. */
#include "overview.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"

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

static int newer_first(const void *a, const void *b)
{
	const struct listed *one = a, *other = b;
	if (one->updated_ns != other->updated_ns)
		return one->updated_ns < other->updated_ns ? 1 : -1;
	return strcmp(one->id, other->id);
}

void overview_sort(struct overview *overview)
{
	if (overview->count)
		qsort(overview->items, overview->count, sizeof(*overview->items), newer_first);
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
	if (rc == -ENOENT || rc == -ENOMEM)
		return rc == -ENOENT ? 0 : rc;
	item.title = (char *)json_string_value(json_object_get(document, "title"));
	item.turns = (uint32_t)json_integer_value(json_object_get(document, "turn_count"));
	if (updated)
		text_time_parse(updated, &item.updated_ns);
	if (expires && text_time_parse(expires, &expires_ns) == 0)
		item.deadline_ms = expires_ns / 1000000;
	return overview_add(overview, &item);
}

int overview_of_mount(const char *mountpoint, struct overview *ret, struct errtext *error)
{
	struct overview overview = {.now_ms = clock_wall_ns() / 1000000};
	DIR *root = opendir(mountpoint);
	int rc = 0;
	if (!root)
		return errtext_set(
			error, -errno, "cannot read %s: %s", mountpoint, strerror(errno));
	for (struct dirent *entry; rc == 0 && (entry = readdir(root));)
		if (entry->d_name[0] != '.')
			rc = add_directory(&overview, mountpoint, entry->d_name);
	closedir(root);
	if (rc < 0) {
		overview_done(&overview);
		return errtext_set(error, rc, "out of memory");
	}
	*ret = overview;
	return 0;
}

static int add_thread(
	struct overview *overview, struct store *store, const struct thread_info *info)
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
				  .id = (char *)info->id,
				  .title = (char *)json_string_value(json_object_get(own, "title")),
				  .turns = info->turns,
				  .updated_ns = info->mtime_ns,
				  .deadline_ms = info->deadline_ms,
			  });
}

static int add_pages(struct overview *overview, struct store *store)
{
	bool more = true;
	for (uint64_t after = 0; more;) {
		struct thread_page page = {0};
		int rc = store_thread_list(store, THREAD_LIVE, after, PAGE, &page);
		for (size_t i = 0; rc == 0 && i < page.count; i++) {
			after = page.items[i].gen;
			rc = add_thread(overview, store, &page.items[i]);
		}
		more = page.more;
		thread_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int overview_of_store(const char *where, struct overview *ret, struct errtext *error)
{
	const struct store_options options = {.read_only = true, .peek = true, .timeout_ms = 5000};
	struct store *store = NULL;
	struct overview overview = {0};
	int rc = store_open(where, &options, &store, error);
	if (rc < 0)
		return rc;
	overview.now_ms = store_now_ms(store);
	rc = add_pages(&overview, store);
	store_close(store);
	if (rc < 0) {
		overview_done(&overview);
		return errtext_set(error, rc, "cannot list the store: %s", strerror(-rc));
	}
	*ret = overview;
	return 0;
}
