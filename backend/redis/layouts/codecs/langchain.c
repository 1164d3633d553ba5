/* What both LangChains say the same way; see langchain.h. */
#include "langchain.h"

#include <errno.h>
#include <string.h>

enum {
	TEXT = JSON_KIND_STRING,
	TEXT_OR_NULL = JSON_KIND_STRING | JSON_KIND_NULL,
};

const struct place langchain_tool_call[] = {
	{.key = "name", .kinds = TEXT, .needed = true},
	{.key = "args", .kinds = JSON_KIND_OBJECT, .needed = true},
	{.key = "id", .kinds = TEXT_OR_NULL, .needed = true},
	{.key = NULL},
};
const struct place langchain_invalid_call[] = {
	{.key = "name", .kinds = TEXT_OR_NULL, .needed = true},
	{.key = "args", .kinds = TEXT_OR_NULL, .needed = true},
	{.key = "id", .kinds = TEXT_OR_NULL, .needed = true},
	{.key = "error", .kinds = TEXT_OR_NULL, .needed = true},
	{.key = NULL},
};
const struct place langchain_usage[] = {
	{.key = "input_tokens", .kinds = JSON_KIND_NUMBER, .needed = true},
	{.key = "output_tokens", .kinds = JSON_KIND_NUMBER, .needed = true},
	{.key = "total_tokens", .kinds = JSON_KIND_NUMBER, .needed = true},
	{.key = NULL},
};
const char *const langchain_statuses[] = {"success", "error", NULL};

int langchain_locate(
	const char *data, struct json_range object, const char *other, struct element *ret)
{
	static const char *const outer[] = {"type", "data"}, *const inner[] = {"content", "role"};
	struct json_range message[2], found[2];
	json_scan_members(data, object, outer, 2, message);
	json_scan_members(data, message[1], inner, 2, found);
	if (json_scan_kind(data, message[0]) != JSON_KIND_STRING || found[0].size == 0)
		return -EBADMSG;
	ret->role = json_scan_is(data, message[0], other) ? found[1] : message[0];
	ret->text = found[0];
	ret->members = message[1];
	return 0;
}

const char *langchain_type(const char *role)
{
	static const char *const types[][2] = {
		{"user", "human"}, {"assistant", "ai"}, {"system", "system"}, {"tool", "tool"}};
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(role, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}
