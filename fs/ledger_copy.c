/* The ledger of a server's store as far as this machine had a part in it. */
#include "ledger_copy.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum {
	LINES_KEPT = 1000,
	FILE_LONG = 512 << 10, /* bytes, beyond which only those stay */
	FILE_MAX = 16 << 20, /* more has another origin */
};

char *ledger_copy_path(const char *key)
{
	return state_path("ledger", key, "jsonl");
}

static bool line_parse(const char *text, size_t size, struct ledger_entry *ret)
{
	json_auto_t *object = json_parse(text, size);
	const char *id = json_string_value(json_object_get(object, "id"));
	if (!id || strlen(id) > STORE_NAME_MAX)
		return false;
	*ret = (struct ledger_entry){
		.cause = (enum ledger_cause)json_integer_value(json_object_get(object, "cause")),
		.time_ms = json_integer_value(json_object_get(object, "time_ms")),
		.gen = (uint64_t)json_integer_value(json_object_get(object, "gen")),
		.ttl_ms = json_integer_value(json_object_get(object, "ttl_ms")),
		.deadline_ms = json_integer_value(json_object_get(object, "deadline_ms")),
		.turns = (uint32_t)json_integer_value(json_object_get(object, "turns")),
	};
	memcpy(ret->id, id, strlen(id) + 1);
	snprintf(ret->detail, sizeof ret->detail, "%s",
		json_string_value(json_object_get(object, "detail")) ?: "");
	return ret->cause >= LEDGER_EXPIRED && ret->cause < LEDGER_BEGAN;
}

static size_t lines_parse(const char *text, struct ledger_entry *lines, size_t most)
{
	size_t count = 0;
	while (*text && count < most) {
		size_t size = strcspn(text, "\n");
		count += line_parse(text, size, &lines[count]);
		text += size + (text[size] == '\n');
	}
	return count;
}

/* The whole file as a string; NULL: there is none, or it cannot be read. */
static char *text_read(const char *path)
{
	struct stat st;
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > FILE_MAX)
		return NULL;
	char *text = malloc((size_t)st.st_size + 1);
	ssize_t got = text ? read(fd, text, (size_t)st.st_size) : -1;
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[got] = '\0';
	return text;
}

static size_t lines_count(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

size_t ledger_copy_read(const char *path, struct ledger_entry **ret)
{
	CLEAN_FREE char *text = path ? text_read(path) : NULL;
	*ret = NULL;
	size_t most = text ? lines_count(text) : 0;
	struct ledger_entry *lines = most ? reallocarray(NULL, most, sizeof *lines) : NULL;
	if (!lines)
		return 0;
	*ret = lines;
	return lines_parse(text, lines, most);
}

/* Leaves the younger lines, in a new file in the place of the old one. */
static void shorten(const char *path)
{
	CLEAN_FREE char *text = text_read(path), *other = NULL;
	const char *rest = text;
	size_t count = text ? lines_count(text) : 0;
	if (count <= LINES_KEPT || asprintf(&other, "%s.new", path) < 0)
		return;
	for (; count > LINES_KEPT; count--)
		rest = strchr(rest, '\n') + 1;
	CLEAN_FD int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write(fd, rest, strlen(rest)) == (ssize_t)strlen(rest) && !fsync(fd) &&
		!rename(other, path))
		return;
	unlink(other);
}

static int line_print(struct blob **text, const struct ledger_entry *line)
{
	json_auto_t *object = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "id", line->id,
		"cause", (json_int_t)line->cause, "gen", (json_int_t)line->gen, "time_ms",
		(json_int_t)line->time_ms, "ttl_ms", (json_int_t)line->ttl_ms, "deadline_ms",
		(json_int_t)line->deadline_ms, "turns", (json_int_t)line->turns, "detail",
		line->detail);
	CLEAN_BLOB struct blob *json = object ? json_text(object, 0) : NULL;
	if (!json)
		return -ENOMEM;
	int rc = blob_write(text, blob_size(*text), blob_data(json), blob_size(json));
	return rc < 0 ? rc : blob_write(text, blob_size(*text), "\n", 1);
}

int ledger_copy_add(const char *path, const struct ledger_entry *lines, size_t count)
{
	CLEAN_BLOB struct blob *text = NULL;
	struct stat st;
	int rc = state_make_directories(path);
	for (size_t i = 0; i < count && !rc; i++)
		rc = line_print(&text, &lines[i]);
	if (rc < 0 || !text)
		return rc;
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text->data, text->size) != (ssize_t)text->size) /* one write: whole lines */
		return -EIO;
	if (!fstat(fd, &st) && st.st_size > FILE_LONG)
		shorten(path);
	return 0;
}

/*
 * What is the same in the store's line and in ours. Of a deleted or renamed one we may not have
 * known the last deadline.
 */
uint64_t ledger_copy_hash(const struct ledger_entry *line)
{
	char text[2 * STORE_NAME_MAX + 128];
	bool moved = line->cause == LEDGER_DELETED || line->cause == LEDGER_RENAMED;
	snprintf(text, sizeof text, "%d %" PRIu64 " %" PRId64 " %s %s", (int)line->cause, line->gen,
		moved ? 0 : line->deadline_ms, line->id, line->detail);
	return state_hash(text);
}
