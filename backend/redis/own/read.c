/* Reading files and documents of the own layout. */
#include "inside.h"

#include "base/log.h"
#include "base/name.h"

#include <errno.h>
#include <string.h>

static const struct redis_script script_file = {"file", SCRIPT_READS, lua_file};
static const struct redis_script script_names = {"names", SCRIPT_READS, lua_names};
static const struct redis_script script_document = {"document", SCRIPT_READS, lua_document};

static int damaged(struct own_store *s, struct thread_ref ref, const char *what)
{
	log_error("%s: thread %s: %s is damaged: what is stored is not what was", s->storage,
		ref.id, what);
	return -EIO;
}

/* file.lua: a file's name or number, how it is asked for ("", "1", "number"). */
static int ask_file(struct own_store *s, struct thread_ref ref, const char *name, const char *how,
	struct own_call *call)
{
	own_read_begin(s, call);
	redis_args_add_unsigned(&call->args, ref.gen);
	redis_args_add(&call->args, name);
	redis_args_add(&call->args, how);
	int rc = own_read(s, &script_file, call, ref.id);
	return rc < 0 ? rc : own_said(s, call->reply, ref);
}

/* The name and the row at `at` of a reply. */
static int take_file(struct own_store *s, struct thread_ref ref, const redisReply *reply, size_t at,
	struct file_info *ret)
{
	const redisReply *name = own_string_at(reply, at), *row = own_string_at(reply, at + 1);
	int rc = name && row ? own_file_parse(name->str, name->len, row->str, row->len, ret) : -EIO;
	return rc == -EIO ? damaged(s, ref, name ? name->str : "a file") : rc;
}

static int take_content(struct own_store *s, struct thread_ref ref, const redisReply *reply,
	size_t at, const struct file_info *info, struct blob **ret)
{
	const redisReply *content = own_string_at(reply, at);
	if (!content || content->len != info->size)
		return damaged(s, ref, info->name);
	struct blob *blob = blob_new(content->str, content->len);
	if (!blob)
		return -ENOMEM;
	*ret = blob;
	return 0;
}

int own_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	int rc = ask_file(s, ref, name, "", &call);
	return rc < 0 ? rc : take_file(s, ref, call.reply, 0, ret);
}

int own_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	char digits[16];
	snprintf(digits, sizeof(digits), "%06u-", number);
	int rc = ask_file(s, ref, digits, "number", &call);
	return rc < 0 ? rc : take_file(s, ref, call.reply, 0, ret);
}

int own_file_read(struct store *store, struct thread_ref ref, const char *name, struct blob **ret,
	struct file_info *ret_info)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct file_info info;
	int rc = ask_file(s, ref, name, "1", &call);
	if (rc == 0)
		rc = take_file(s, ref, call.reply, 0, &info);
	if (rc < 0)
		return rc;
	rc = ret ? take_content(s, ref, call.reply, 2, &info, ret) : 0;
	if (rc == 0 && ret_info)
		*ret_info = info;
	else
		file_info_done(&info);
	return rc;
}

/* A file of a page whose attributes or content are damaged: as backend.h says. */
static int page_take(struct own_store *s, struct thread_ref ref, const redisReply *reply, size_t at,
	struct file_page *page)
{
	struct file_info *info = &page->items[page->count];
	const redisReply *name = own_string_at(reply, at);
	int rc = take_file(s, ref, reply, at, info);
	if (rc == -ENOMEM || !name || name->len > STORE_NAME_MAX)
		return rc < 0 ? rc : -EIO;
	if (rc < 0)
		memcpy(info->name, name->str, name->len + 1);
	else if (page->contents)
		rc = take_content(s, ref, reply, at + 2, info, &page->contents[page->count]);
	if (rc == -ENOMEM) {
		file_info_done(info);
		return rc;
	}
	page->count++;
	return 0;
}

static int page_fill(struct own_store *s, struct thread_ref ref, const redisReply *reply,
	size_t limit, bool contents, struct file_page *page)
{
	size_t got = reply->elements / 3, count = got < limit ? got : limit;
	page->items = calloc(count + 1, sizeof(*page->items));
	page->contents = contents ? calloc(count + 1, sizeof(*page->contents)) : NULL;
	if (!page->items || (contents && !page->contents))
		return -ENOMEM;
	page->more = got > count;
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = page_take(s, ref, reply, 3 * i, page);
	return rc;
}

int own_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	struct file_page page = {0};
	limit = limit < OWN_PAGE_MAX ? limit : OWN_PAGE_MAX;
	own_read_begin(s, &call);
	redis_args_add_unsigned(&call.args, ref.gen);
	redis_args_add(&call.args, after);
	redis_args_add_unsigned(&call.args, limit + 1);
	redis_args_add(&call.args, contents ? "1" : "");
	int rc = own_read(s, &script_names, &call, ref.id);
	if (rc == 0 && call.reply->elements > 0)
		rc = own_said(s, call.reply, ref);
	if (rc == 0)
		rc = page_fill(s, ref, call.reply, limit, contents, &page);
	if (rc < 0)
		file_page_done(&page);
	else
		*ret = page;
	return rc;
}

int own_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	own_read_begin(s, &call);
	redis_args_add_unsigned(&call.args, ref.gen);
	int rc = own_read(s, &script_document, &call, ref.id);
	if (rc == 0)
		rc = own_said(s, call.reply, ref);
	if (rc < 0)
		return rc;
	const redisReply *row = own_string_at(call.reply, 0), *text = own_string_at(call.reply, 1);
	struct own_row parsed;
	if (!row || !text || own_row_parse(row->str, row->len, ref.gen, &parsed) < 0 ||
		(parsed.doc_size >= 0 && (size_t)parsed.doc_size != text->len))
		return damaged(s, ref, "thread.json");
	struct blob *doc = parsed.doc_size < 0 ? NULL : blob_new(text->str, text->len);
	if (parsed.doc_size >= 0 && !doc)
		return -ENOMEM;
	if (ret)
		*ret = doc;
	else
		blob_unref(doc);
	if (ret_revision)
		*ret_revision = parsed.info.doc.revision;
	return 0;
}
