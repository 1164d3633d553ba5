/* Reading files of the in-memory store, and claiming their names. */
#include "memory_inside.h"

#include "base/name.h"

#include <errno.h>
#include <stdlib.h>

static void info_copy(const struct memory_file *file, struct file_info *ret)
{
	*ret = file->info;
	blob_ref(ret->meta);
}

int memory_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret)
{
	return memory_file_read(store, ref, name, NULL, ret);
}

int memory_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info)
{
	struct memory_store *m = (struct memory_store *)store;
	struct blob *empty = ret ? blob_new(NULL, 0) : NULL;
	if (ret && !empty)
		return -ENOMEM;
	pthread_mutex_lock(&m->mutex);
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	struct memory_file *file = thread ? listing_find(&thread->files, name) : NULL;
	if (file && ret)
		*ret = blob_ref(file->content ? file->content : empty);
	if (file && ret_info)
		info_copy(file, ret_info);
	pthread_mutex_unlock(&m->mutex);
	blob_unref(empty);
	return file ? 0 : -ENOENT;
}

int memory_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	pthread_mutex_lock(&m->mutex);
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	struct memory_file *file = thread ? listing_find_turn(&thread->files, number, NULL) : NULL;
	if (file)
		info_copy(file, ret);
	pthread_mutex_unlock(&m->mutex);
	return file ? 0 : -ENOENT;
}

/* Appends a file to a page that has room for it. */
static int page_add(struct file_page *page, const struct memory_file *file)
{
	if (page->contents) {
		struct blob *content = file->content ? blob_ref(file->content) : blob_new(NULL, 0);
		if (!content)
			return -ENOMEM;
		page->contents[page->count] = content;
	}
	info_copy(file, &page->items[page->count]);
	page->count++;
	return 0;
}

static int page_fill(const struct memory_listing *files, const char *after, size_t limit,
	bool contents, struct file_page *page)
{
	size_t from = listing_after(files, after);
	size_t count = files->count - from < limit ? files->count - from : limit;
	page->items = calloc(count + 1, sizeof(*page->items));
	page->contents = contents ? calloc(count + 1, sizeof(*page->contents)) : NULL;
	if (!page->items || (contents && !page->contents))
		return -ENOMEM;
	page->more = from + count < files->count;
	for (size_t i = from; i < from + count; i++) {
		int r = page_add(page, files->items[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int memory_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret)
{
	struct memory_store *m = (struct memory_store *)store;
	struct file_page page = {0};
	pthread_mutex_lock(&m->mutex);
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	int r = thread ? page_fill(&thread->files, after, limit, contents, &page) : -ENOENT;
	pthread_mutex_unlock(&m->mutex);
	if (r < 0)
		file_page_done(&page);
	else
		*ret = page;
	return r;
}

/*
 * Only other handles of a store are kept off by a claim, and this store has but one: that the name
 * and its number are free is all there is to ask.
 */
int memory_claim(struct store *store, struct thread_ref ref, const char *name)
{
	struct memory_store *m = (struct memory_store *)store;
	uint32_t number;
	bool is_turn = name_turn_parse(name, &number, NULL);
	int r = memory_write_begin(m);
	if (r < 0)
		return r;
	struct memory_thread *thread = memory_thread_get(m, ref.gen);
	if (!thread || !memory_thread_is_live(m, thread))
		r = -ENOENT;
	else if (listing_find(&thread->files, name) ||
		 (is_turn && listing_find_turn(&thread->files, number, NULL)))
		r = -EEXIST;
	pthread_mutex_unlock(&m->mutex);
	return r;
}

void memory_unclaim(struct store *store, struct thread_ref ref, const char *name) {}
