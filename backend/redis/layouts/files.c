/* Files of a thread as the mount reads them: turns out of its image, attachments out of Redis. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void info_copy(const struct image_file *file, struct file_info *ret)
{
	*ret = file->info;
	blob_ref(ret->meta);
}

int layout_file_stat(
	struct store *store, struct thread_ref ref, const char *name, struct file_info *ret)
{
	return layout_file_read(store, ref, name, NULL, ret);
}

int layout_turn_stat(
	struct store *store, struct thread_ref ref, uint32_t number, struct file_info *ret)
{
	CLEAN_IMAGE struct image *image = NULL;
	int r = layout_image(layout_store_of(store), ref.gen, &image, NULL);
	if (r < 0)
		return r;
	const struct image_file *file = image_find_turn(image, number);
	if (!file)
		return -ENOENT;
	if (file->info.revision == STORE_REVISION_NONE)
		return -EIO;
	info_copy(file, ret);
	return 0;
}

int layout_content(struct layout_store *s, const struct place *place, uint64_t field, uint64_t size,
	struct blob **ret)
{
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;
	int r = keys_init(s, (struct place *)place, &keys);
	if (r < 0)
		return r;
	redis_args_add(&args, "HGET");
	redis_args_add_bytes(&args, keys.files, keys.files_size);
	redis_args_add_unsigned(&args, field);
	r = redis_read(s->pool, &args, place->id, &reply);
	if (r < 0)
		return r;
	struct blob *content = NULL;
	if (reply->type == REDIS_REPLY_STRING && reply->len == size)
		content = blob_new(reply->str, reply->len);
	else if (reply->type == REDIS_REPLY_NIL && size == 0)
		content = blob_new(NULL, 0);
	else
		r = -EIO;
	freeReplyObject(reply);
	if (r == 0 && !content)
		r = -ENOMEM;
	if (r == 0)
		*ret = content;
	return r;
}

static int content_of(struct layout_store *s, const struct image *image, const struct place *place,
	const struct image_file *file, struct blob **ret)
{
	if (!file->number)
		return layout_content(s, place, file->content, file->info.size, ret);
	*ret = blob_ref(image->raw.elements[file->number - 1]->turn.text);
	if (!*ret)
		*ret = blob_new(NULL, 0);
	return *ret ? 0 : -ENOMEM;
}

/* The thread's place, for keys; NULL: it is not known. */
static struct place *place_of(struct layout_store *s, uint64_t gen)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	pthread_mutex_unlock(&s->mutex);
	return place;
}

static int read_once(struct layout_store *s, uint64_t gen, const char *name, struct blob **ret,
	struct file_info *ret_info)
{
	CLEAN_IMAGE struct image *image = NULL;
	struct blob *content = NULL;
	int r = layout_image(s, gen, &image, NULL);
	if (r < 0)
		return r;
	const struct image_file *file = image_find(image, name);
	if (!file)
		return -ENOENT;
	if (file->info.revision == STORE_REVISION_NONE)
		return -EIO;
	struct place *place = place_of(s, gen);
	if (ret)
		r = place ? content_of(s, image, place, file, &content) : -ENOENT;
	place_unref(place);
	if (r < 0)
		return r;
	if (ret)
		*ret = content;
	if (ret_info)
		info_copy(file, ret_info);
	return 0;
}

/* An attachment whose content is not that of the image has changed since, or is damaged. */
int layout_file_read(struct store *store, struct thread_ref ref, const char *name,
	struct blob **ret, struct file_info *ret_info)
{
	struct layout_store *s = layout_store_of(store);
	int r = read_once(s, ref.gen, name, ret, ret_info);
	if (r != -EIO || !ret)
		return r;
	CLEAN_IMAGE struct image *image = NULL;
	r = layout_reload(s, ref.gen, &image);
	if (r == 0)
		r = read_once(s, ref.gen, name, ret, ret_info);
	if (r == -EIO)
		log_error("thread %s: a file of it cannot be read: its bytes in Redis are not what "
			  "they should be",
			ref.id);
	return r;
}

static int page_fill(struct layout_store *s, const struct image *image, const struct place *place,
	const char *after, size_t limit, struct file_page *page)
{
	size_t from = image_after(image, after), left = image->file_count - from;
	size_t count = left < limit ? left : limit;
	bool contents = page->contents;
	page->items = calloc(count + 1, sizeof(*page->items));
	free(page->contents);
	page->contents = contents ? calloc(count + 1, sizeof(*page->contents)) : NULL;
	if (!page->items || (contents && !page->contents))
		return -ENOMEM;
	page->more = left > count;
	for (size_t i = 0; i < count; i++) {
		const struct image_file *file = &image->files[from + i];
		int r = 0;
		if (contents && file->info.revision != STORE_REVISION_NONE)
			r = content_of(s, image, place, file, &page->contents[i]);
		if (r < 0 && r != -EIO)
			return r;
		info_copy(file, &page->items[i]);
		page->count++;
	}
	return 0;
}

int layout_file_list(struct store *store, struct thread_ref ref, const char *after, size_t limit,
	bool contents, struct file_page *ret)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_IMAGE struct image *image = NULL;
	int r = layout_image(s, ref.gen, &image, NULL);
	if (r < 0)
		return r;
	struct file_page page = {.contents = contents ? calloc(1, sizeof(*page.contents)) : NULL};
	struct place *place = place_of(s, ref.gen);
	if (!place || (contents && !page.contents))
		r = place ? -ENOMEM : -ENOENT;
	else
		r = page_fill(s, image, place, after, limit, &page);
	place_unref(place);
	if (r < 0)
		file_page_done(&page);
	else
		*ret = page;
	return r;
}
