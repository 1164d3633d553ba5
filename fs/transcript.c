/* The transcripts, reading. */
#include "transcript.h"

#include "doc.h"

#include "base/json.h"
#include "base/name.h"
#include "base/text.h"

#include <string.h>

enum { PAGE = 64 };

#define MARKDOWN "@transcript.md"
#define JSONL "@transcript.jsonl"

bool transcript_is(const char *name)
{
	return !strcmp(name, MARKDOWN) || !strcmp(name, JSONL);
}

struct node *transcript_node(struct fs *fs, struct thread *thread, const char *name)
{
	if (!transcript_is(name))
		return NULL;
	/* Text and offsets are each handle's own, so one node does for all; no lookup is needed. */
	size_t jsonl = !strcmp(name, JSONL);
	struct node **at = &thread->transcripts[jsonl];
	if (!*at)
		*at = node_make(fs, NODE_TRANSCRIPT, thread, name,
			INO_TRANSCRIPT | thread->gen << 1 | jsonl);
	return *at;
}

bool transcript_writable(const struct node *node)
{
	return !strcmp(node->name, JSONL);
}

static int text_add(struct blob **text, const char *data, size_t size)
{
	return blob_write(text, blob_size(*text), data, size);
}

static bool line_key(const char *key)
{
	return !strcmp(key, "turn") || !strcmp(key, "role") || !strcmp(key, "content") ||
	       !strcmp(key, "timestamp");
}

/* One line of .jsonl: turn, role, content, timestamp, then the metadata's keys. */
static int jsonl_add(struct blob **text, const struct file_info *info, struct blob *content,
	uint32_t number, const char *role)
{
	char time[TEXT_TIME_MAX];
	text_time_ns(info->mtime_ns, time);
	json_begin();
	json_auto_t *line = json_object();
	json_object_set_new(line, "turn", json_integer(number));
	json_object_set_new(line, "role", json_string(role));
	json_object_set_new(
		line, "content", json_from_bytes(blob_data(content), blob_size(content)));
	json_object_set_new(line, "timestamp", json_string(time));
	json_auto_t *meta =
		info->meta ? json_parse(blob_data(info->meta), blob_size(info->meta)) : NULL;
	const char *key;
	json_t *value;
	json_object_foreach(meta, key, value) if (!line_key(key)) json_object_set(line, key, value);
	CLEAN_BLOB struct blob *printed = json_text(line, 0);
	if (!printed)
		return -ENOMEM;
	int rc = text_add(text, printed->data, printed->size);
	return rc < 0 ? rc : text_add(text, "\n", 1);
}

/* A heading and the turn's text, which always ends its line. */
static int markdown_add(struct blob **text, const struct file_info *info, struct blob *content,
	uint32_t number, const char *role)
{
	char time[TEXT_TIME_MAX], heading[128];
	text_time_s(info->mtime_ns, time);
	int size = snprintf(heading, sizeof heading, "## %06u %s, %s\n\n", number, role, time);
	int rc = text_add(text, heading, (size_t)size);
	if (!rc)
		rc = text_add(text, blob_data(content), blob_size(content));
	bool ended = blob_size(content) && blob_data(content)[blob_size(content) - 1] == '\n';
	if (!rc)
		rc = text_add(text, "\n\n", ended ? 1 : 2);
	return rc;
}

static int page_add(struct blob **text, const struct file_page *page, bool jsonl)
{
	for (size_t i = 0; i < page->count; i++) {
		const struct file_info *info = &page->items[i];
		uint32_t number;
		char role[ROLE_MAX_BYTES + 1];
		if (!name_turn_parse(info->name, &number, role))
			continue;
		if (!page->contents[i])
			return -EIO; /* a conversation with a hole in it would be a lie */
		int rc = jsonl ? jsonl_add(text, info, page->contents[i], number, role)
			       : markdown_add(text, info, page->contents[i], number, role);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* "# title" over the Markdown: the thread's title, else its name. */
static int title_add(struct fs *fs, struct thread *thread, struct blob **text)
{
	struct doc_edit edit;
	int rc = doc_edit_load(fs, thread, &edit);
	if (rc < 0)
		return rc;
	const json_t *said = json_object_get(doc_own(&edit), "title");
	const char *title = json_is_text(said) ? json_string_value(said) : thread->id->text;
	rc = text_add(text, "# ", 2);
	if (!rc)
		rc = text_add(text, title, strcspn(title, "\r\n"));
	if (!rc)
		rc = text_add(text, "\n\n", 2);
	doc_edit_done(&edit);
	return rc;
}

static int build(struct fs *fs, struct thread *thread, bool jsonl, struct blob **ret)
{
	struct blob *text = blob_new("", 0);
	if (!text)
		return -ENOMEM;
	int rc = jsonl ? 0 : title_add(fs, thread, &text);
	char after[STORE_NAME_MAX + 1] = "";
	for (bool more = true; more && !rc;) {
		struct file_page page;
		rc = store_file_list(fs->store, thread_ref(thread), after, PAGE, true, &page);
		if (rc < 0)
			break;
		rc = page_add(&text, &page, jsonl);
		more = page.more && page.count;
		if (page.count)
			snprintf(after, sizeof after, "%s", page.items[page.count - 1].name);
		file_page_done(&page);
	}
	if (rc < 0) {
		blob_unref(text);
		return rc;
	}
	*ret = text;
	return 0;
}

int transcript_text(struct fs *fs, const struct node *node, struct blob **ret)
{
	struct thread *thread = node->thread;
	bool jsonl = transcript_writable(node);
	/* Nobody else writes to a store that is not shared: what we know is how it is. */
	struct thread_info info = {.gen = thread->gen, .revision = thread->revision};
	int rc = 0;
	if (fs->store->ops->shared)
		rc = store_thread_stat(fs->store, thread_ref(thread), &info);
	if (rc < 0)
		return rc;
	fs_lock(fs);
	bool have = fs->transcript.text && fs->transcript.gen == info.gen &&
		    fs->transcript.revision == info.revision && fs->transcript.jsonl == jsonl;
	if (have)
		*ret = blob_ref(fs->transcript.text);
	fs_unlock(fs);
	if (have)
		return 0;
	struct blob *text;
	rc = build(fs, thread, jsonl, &text);
	if (rc < 0)
		return rc;
	*ret = blob_ref(text);
	fs_lock(fs);
	struct blob *former = fs->transcript.text;
	fs->transcript.gen = info.gen;
	fs->transcript.revision = info.revision;
	fs->transcript.jsonl = jsonl;
	fs->transcript.text = text;
	fs_unlock(fs);
	blob_unref(former);
	return 0;
}

int transcript_size(struct fs *fs, const struct node *node, uint64_t *ret)
{
	CLEAN_BLOB struct blob *text = NULL;
	int rc = transcript_text(fs, node, &text);
	if (rc < 0)
		return rc;
	*ret = blob_size(text);
	return 0;
}
