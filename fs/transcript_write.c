/* @transcript.jsonl, writing: lines become turns, all of them or none (W7). */
#include "transcript.h"

#include "append.h"

#include "base/json.h"
#include "base/name.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

struct lines {
	struct turn_new *turns;
	json_t **objects; /* role points into them */
	size_t count, capacity;
};

static void lines_done(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		blob_unref(lines->turns[i].meta);
		blob_unref(lines->turns[i].content);
		json_decref(lines->objects[i]);
	}
	free(lines->turns);
	free(lines->objects);
}

static int lines_grow(struct lines *lines)
{
	if (lines->count < lines->capacity)
		return 0;
	size_t capacity = lines->capacity ? 2 * lines->capacity : 16;
	struct turn_new *turns = realloc(lines->turns, capacity * sizeof *turns);
	if (!turns)
		return -ENOMEM;
	lines->turns = turns;
	json_t **objects = realloc(lines->objects, capacity * sizeof(json_t *));
	if (!objects)
		return -ENOMEM;
	lines->objects = objects;
	lines->capacity = capacity;
	return 0;
}

/* All keys but the four that have a meaning; NULL in *ret if there are none. */
static int line_meta(json_t *line, struct blob **ret)
{
	json_auto_t *meta = json_copy(line);
	json_object_del(meta, "turn");
	json_object_del(meta, "role");
	json_object_del(meta, "content");
	json_object_del(meta, "timestamp");
	if (json_ran_out())
		return -ENOMEM;
	if (json_too_deep(meta))
		return -EINVAL;
	if (!json_object_size(meta))
		return 0;
	*ret = json_text(meta, 0);
	return *ret ? 0 : -ENOMEM;
}

static int line_parse(json_t *line, struct turn_new *turn)
{
	const char *role = json_string_value(json_object_get(line, "role"));
	json_t *time = json_object_get(line, "timestamp");
	if (!role || strlen(role) != json_string_length(json_object_get(line, "role")) ||
		!name_role_valid(role))
		return -EINVAL;
	turn->role = role;
	if (time && !json_is_null(time) &&
		(!json_is_string(time) ||
			text_time_parse(json_string_value(time), &turn->mtime_ns) < 0))
		return -EINVAL;
	turn->content = json_to_bytes(json_object_get(line, "content"));
	if (!turn->content)
		return json_ran_out() ? -ENOMEM : -EINVAL;
	return line_meta(line, &turn->meta);
}

static bool blank(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r", text[i]) || !text[i])
			return false;
	return true;
}

static int lines_parse(struct lines *lines, const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t length = end ? (size_t)(end - text) - at : size - at;
		const char *start = text + at;
		at += length + 1;
		if (blank(start, length))
			continue;
		int rc = lines_grow(lines);
		if (rc < 0)
			return rc;
		json_begin();
		json_t *line = json_parse(start, length);
		lines->objects[lines->count] = line;
		lines->turns[lines->count] = (struct turn_new){.mtime_ns = APPEND_NOW};
		lines->count++;
		rc = json_is_object(line) ? line_parse(line, &lines->turns[lines->count - 1])
		     : json_ran_out()	  ? -ENOMEM
					  : -EINVAL;
		if (rc < 0)
			return rc;
	}
	return 0;
}

int transcript_commit(struct fs *fs, struct handle *handle, bool durable)
{
	struct thread *thread = handle->node->thread;
	fs_lock(fs);
	CLEAN_BLOB struct blob *text = blob_ref(handle->text);
	size_t from = handle->committed;
	fs_unlock(fs);
	struct lines lines = {0};
	int rc = lines_parse(&lines, blob_data(text) + from, blob_size(text) - from);
	for (size_t i = 0; i < lines.count; i++)
		append_owner(thread, handle, &lines.turns[i]);
	uint32_t first;
	if (!rc && lines.count)
		rc = append_turns(fs, thread, lines.turns, lines.count, durable, &first);
	lines_done(&lines);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	handle->committed = blob_size(text);
	fs_unlock(fs);
	return 0;
}
