/* What both LangChains say the same way: Python's and JavaScript's. */
#pragma once

#include "element.h"

/* {"type": …, "data": {"content": …}}; a message of type `other` says its role in data.role. */
int langchain_locate(
	const char *data, struct json_range object, const char *other, struct element *ret);

/* A role's "type", or NULL: it has none of its own. */
const char *langchain_type(const char *role);

/* What is in tool_calls, invalid_tool_calls and usage_metadata. */
extern const struct place langchain_tool_call[], langchain_invalid_call[], langchain_usage[];
extern const char *const langchain_statuses[]; /* of a tool's message */
