/* The table of layouts, and what their keys say. */
#include "layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* openai-agents-python: agents/extensions/memory/redis_session.py */
static const struct layout_session openai_agents_session = {
	.suffix = "",
	.id = "session_id",
	.created = "created_at",
	.updated = "updated_at",
	.also = ":counter",
};

static const struct layout layouts[] = {
	{
		.name = "zen",
		.kind = LAYOUT_VALUE,
		.codec = &codec_zen,
		.prefix = "thread:",
		.suffix = "",
		.keeps_ttl = true,
	},
	{
		.name = "langchain",
		.kind = LAYOUT_LIST,
		.codec = &codec_langchain,
		.prefix = "message_store:",
		.suffix = "",
		.newest_first = true,
		.keeps_ttl = true,
	},
	{
		.name = "langchain-js",
		.kind = LAYOUT_LIST,
		.codec = &codec_langchain_js,
		.prefix = "",
		.suffix = "",
		.newest_first = true,
		.keeps_ttl = true,
	},
	{
		.name = "openai-agents",
		.kind = LAYOUT_LIST,
		.codec = &codec_openai_agents,
		.prefix = "agents:session:",
		.suffix = ":messages",
		.keeps_ttl = true,
		.session = &openai_agents_session,
	},
	{
		.name = "llamaindex",
		.kind = LAYOUT_LIST,
		.codec = &codec_llamaindex,
		.prefix = "",
		.suffix = "",
		.keeps_ttl = true,
	},
	{
		.name = "agent-framework",
		.kind = LAYOUT_LIST,
		.codec = &codec_agent_framework,
		.prefix = "chat_messages:",
		.suffix = "",
		.trims = true,
	},
};
enum { LAYOUTS = sizeof(layouts) / sizeof(*layouts) };

const struct layout *layout_find(const char *name)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (!strcmp(layouts[i].name, name))
			return &layouts[i];
	return NULL;
}

const char *layout_names(char *text, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < LAYOUTS && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i ? ", " : "", layouts[i].name);
	return text;
}

bool layout_is_bare(const struct layout *layout)
{
	return !*layout->prefix && !*layout->suffix;
}

bool layout_id_of(const struct layout *layout, const char *key, size_t size, const char **ret_id,
	size_t *ret_size)
{
	size_t before = strlen(layout->prefix), after = strlen(layout->suffix);
	if (size <= before + after || memcmp(key, layout->prefix, before) != 0 ||
		memcmp(key + size - after, layout->suffix, after) != 0)
		return false;
	*ret_id = key + before;
	*ret_size = size - before - after;
	return true;
}

/* 8-4-4-4-12 hexadecimal digits, as Python's uuid.uuid4() prints them. */
static bool is_uuid(const char *id, size_t size)
{
	if (size != 36)
		return false;
	for (size_t i = 0; i < size; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		if (dash ? id[i] != '-' : !isxdigit((unsigned char)id[i]))
			return false;
	}
	return true;
}

bool layout_id_usual(const struct layout *layout, const char *id, size_t size)
{
	size_t after = strlen(layout->suffix);
	if (layout->kind == LAYOUT_VALUE)
		return is_uuid(id, size);
	return !layout->session || size < after || memcmp(id + size - after, layout->suffix, after);
}
