/* What zen's pydantic models say; see zen_form.h. */
#include "zen_form.h"

#include "base/text.h"

#include "codec.h"

#include <errno.h>
#include <string.h>

enum {
	TEXT = JSON_KIND_STRING,
	TEXT_OR_NULL = JSON_KIND_STRING | JSON_KIND_NULL,
	LIST_OR_NULL = JSON_KIND_ARRAY | JSON_KIND_NULL,
	OBJECT_OR_NULL = JSON_KIND_OBJECT | JSON_KIND_NULL,
};

const struct place zen_turn_members[] = {
	{.key = "role", .kinds = TEXT, .needed = true},
	{.key = "content", .kinds = TEXT, .needed = true},
	{.key = "timestamp", .kinds = TEXT, .needed = true},
	{.key = "files", .kinds = LIST_OR_NULL, .items = TEXT, .absent = "null"},
	{.key = "images", .kinds = LIST_OR_NULL, .items = TEXT, .absent = "null"},
	{.key = "tool_name", .kinds = TEXT_OR_NULL, .absent = "null"},
	{.key = "model_provider", .kinds = TEXT_OR_NULL, .absent = "null"},
	{.key = "model_name", .kinds = TEXT_OR_NULL, .absent = "null"},
	{.key = "model_metadata", .kinds = OBJECT_OR_NULL, .absent = "null"},
	{.key = NULL},
};

/* The last two are EX-AI's. */
const struct place zen_thread_members[] = {
	[ZEN_THREAD_ID] = {.key = "thread_id", .kinds = TEXT, .needed = true},
	[ZEN_PARENT] = {.key = "parent_thread_id", .kinds = TEXT_OR_NULL, .absent = "null"},
	[ZEN_CREATED_AT] = {.key = "created_at", .kinds = TEXT, .needed = true},
	[ZEN_UPDATED_AT] = {.key = "last_updated_at", .kinds = TEXT, .needed = true},
	[ZEN_TOOL] = {.key = "tool_name", .kinds = TEXT, .needed = true, .absent = "\"chat\""},
	[ZEN_TURNS] = {.key = "turns",
		.kinds = JSON_KIND_ARRAY,
		.items = JSON_KIND_OBJECT,
		.inside = zen_turn_members,
		.needed = true},
	[ZEN_CONTEXT] = {.key = "initial_context",
		.kinds = JSON_KIND_OBJECT,
		.needed = true,
		.absent = "{}"},
	[ZEN_FINGERPRINT] = {.key = "session_fingerprint", .kinds = TEXT_OR_NULL},
	[ZEN_CLIENT] = {.key = "client_friendly_name", .kinds = TEXT_OR_NULL},
	{.key = NULL},
};

bool zen_member_own(size_t member)
{
	return member != ZEN_THREAD_ID && member != ZEN_TURNS && member != ZEN_CREATED_AT &&
	       member != ZEN_UPDATED_AT;
}

void zen_write_time(struct json_out *out, int64_t ns)
{
	char text[TEXT_TIME_MAX];
	if (ns == LAYOUT_TIME_NONE && out->rc == 0)
		out->rc = -EINVAL;
	text_time_ns(ns, text); /* "2026-11-22T16:32:16.123456789Z" */
	size_t size = strlen("2026-11-22T16:32:16");
	if (memcmp(text + size, ".000000", 7) != 0)
		size += 7;
	json_write_word(out, "\"");
	json_write_bytes(out, text, size);
	json_write_word(out, "+00:00\"");
}
