/* Threads as the mount asks for them: found by name or life, listed, and their documents. */
#include "inside.h"

#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without its value: a tool's threads all have the same time to live, the longest that was seen. */
static void guess(struct layout_store *s, const struct entry *entry, struct thread_info *ret)
{
	bool never = entry->deadline_ms == STORE_DEADLINE_NEVER;
	int64_t last_ms = never ? 0 : entry->deadline_ms - s->longest_ms;
	*ret = (struct thread_info){
		.gen = entry->place->gen,
		.last_turn = entry->count,
		.turns = entry->count,
		.files = entry->count,
		.mode = 0700,
		.uid = s->uid,
		.gid = s->gid,
		.created_ns = last_ms * 1000000,
		.mtime_ns = last_ms * 1000000,
		.ctime_ns = last_ms * 1000000,
		.ttl_ms = never || s->longest_ms <= 0 ? STORE_TTL_NEVER : s->longest_ms,
	};
	ret->doc.ino = ret->gen + 1;
	snprintf(ret->id, sizeof(ret->id), "%s", entry->place->id);
}

void layout_known(struct layout_store *s, const struct entry *entry, struct thread_info *ret)
{
	if (entry->info)
		*ret = *entry->info;
	else
		guess(s, entry, ret);
	ret->revision = entry->revision;
	ret->deadline_ms = entry->deadline_ms;
	if (!ret->mtime_ns)
		ret->mtime_ns = ret->ctime_ns = entry->seen_ns;
}

int layout_thread_find(struct store *store, const char *id, struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_FREE char *key = NULL;
	size_t size;
	if (!keys_of_id(s, id, &key, &size))
		return -ENOENT;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = s->up ? index_find_key(s, key, size) : index_get(s, key, size);
	uint64_t gen = entry ? entry->place->gen : 0;
	bool hidden = entry && entry->broken && !entry->listed;
	bool lost =
		entry && entry->gone_ms && entry->lost_data && entry->deadline_ms > layout_now(s);
	pthread_mutex_unlock(&s->mutex);
	if (lost)
		return -EIO; /* R5: until its deadline, and not as if it had never been */
	if (!gen || hidden)
		return -ENOENT;
	return layout_info(s, gen, ret);
}

/* Of one that has expired, what was known last: Redis has erased it, the mount's ledger asks. */
static int expired_info(struct layout_store *s, uint64_t gen, struct thread_info *ret)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	bool expired = entry && entry->deadline_ms <= layout_now(s);
	if (expired)
		layout_known(s, entry, ret);
	pthread_mutex_unlock(&s->mutex);
	return expired ? 0 : -ENOENT;
}

int layout_thread_stat(struct store *store, struct thread_ref ref, struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	int r = layout_info(s, ref.gen, ret);
	return r == -ENOENT ? expired_info(s, ref.gen, ret) : r;
}

/* The first place in s->sorted behind `gen`. Under the mutex. */
static size_t sorted_after(const struct layout_store *s, uint64_t gen)
{
	size_t low = 0, high = s->sorted_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->sorted[middle]->place->gen <= gen)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Under the mutex. */
static int page_fill(
	struct layout_store *s, uint64_t after_gen, size_t limit, struct thread_page *ret)
{
	int r = index_sort(s);
	if (r < 0)
		return r;
	size_t at = sorted_after(s, after_gen), left = s->sorted_count - at;
	struct thread_page page = {
		.items = calloc((left < limit ? left : limit) + 1, sizeof(*page.items))};
	if (!page.items)
		return -ENOMEM;
	for (; at < s->sorted_count && page.count < limit; at++) {
		const struct entry *entry = s->sorted[at];
		if (entry->listed && index_is_live(s, entry))
			layout_known(s, entry, &page.items[page.count++]);
	}
	page.more = at < s->sorted_count;
	*ret = page;
	return 0;
}

/* Who looks once, as `turnfs list` does, wants to know what is in them. */
static void read_all(struct layout_store *s, struct thread_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		(void)layout_info(s, page->items[i].gen, &page->items[i]);
}

int layout_thread_list(struct store *store, enum thread_state state, uint64_t after_gen,
	size_t limit, struct thread_page *ret)
{
	struct layout_store *s = layout_store_of(store);
	if (state == THREAD_GRACE) { /* Redis erases at the deadline */
		*ret = (struct thread_page){0};
		return 0;
	}
	pthread_mutex_lock(&s->mutex);
	bool up = s->up;
	pthread_mutex_unlock(&s->mutex);
	int r = up || after_gen ? 0 : layout_sweep(s);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->mutex);
	r = page_fill(s, after_gen, limit, ret);
	pthread_mutex_unlock(&s->mutex);
	if (r == 0 && !s->watch)
		read_all(s, ret);
	return r;
}

/*
 * The document is the part that the side key keeps, with the tool's own members among its own ones:
 * the tool's are what counts.
 */
static int compose(struct layout_store *s, const struct image *image, struct blob **ret)
{
	const struct blob *text = side_get(&image->raw.side, "doc:text");
	json_auto_t *root = text ? json_parse(blob_data(text), blob_size(text)) : NULL;
	json_auto_t *theirs =
		image->raw.own ? json_parse(blob_data(image->raw.own), blob_size(image->raw.own))
			       : NULL;
	if (!json_is_object(root)) {
		json_decref(root);
		root = json_object();
	}
	json_t *own = json_object_get(root, "own");
	if (!json_is_object(own)) {
		json_object_set_new(root, "own", json_object());
		own = json_object_get(root, "own");
	}
	if (json_is_object(theirs))
		json_object_update(own, theirs);
	if (s->max_turns)
		json_object_set_new(own, "max_turns", json_integer(s->max_turns));
	struct blob *composed =
		json_object_size(root) > 1 || json_object_size(own) ? json_text(root, 0) : NULL;
	if (!composed && (json_object_size(root) > 1 || json_object_size(own)))
		return -ENOMEM;
	*ret = composed;
	return 0;
}

int layout_doc_read(
	struct store *store, struct thread_ref ref, struct blob **ret, uint64_t *ret_revision)
{
	struct layout_store *s = layout_store_of(store);
	CLEAN_IMAGE struct image *image = NULL;
	int r = layout_image(s, ref.gen, &image, NULL);
	if (r == 0 && ret)
		r = compose(s, image, ret);
	if (r == 0 && ret_revision)
		*ret_revision = image->info.doc.revision;
	return r;
}
