/* Threads as they were read, and how long what was read may be used. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_NEWS_MS = 100 }; /* for so long what is told of a key may be of our own step */

struct image_rules layout_rules(struct layout_store *s, uint64_t gen)
{
	struct image_rules rules = {.layout = s->layout, .uid = s->uid, .gid = s->gid};
	pthread_mutex_lock(&s->mutex);
	const struct entry *entry = index_find_gen(s, gen);
	rules.longest_ms = s->longest_ms;
	rules.left_ms = entry ? entry->left_ms : 0;
	pthread_mutex_unlock(&s->mutex);
	return rules;
}

/* Whether it is what the mount knew and what pushes of ours, which have read nothing, added. */
static bool is_pushed(struct layout_store *s, const struct entry *entry, const struct image *image)
{
	return s->layout->kind == LAYOUT_LIST && !s->layout->trims &&
	       entry->mount.digest == entry->digest && entry->mount.chain == image->chain &&
	       !strcmp(entry->mount.rev, blob_data(side_get(&image->raw.side, "rev")));
}

/* What a read or a step of ours has made of it. Under the mutex. */
static void take_image(struct layout_store *s, struct entry *entry, struct image *image)
{
	bool moved =
		!entry->info || deadline_moved(entry->info->deadline_ms, image->raw.deadline_ms);
	bool changed = !entry->loaded || entry->digest != image->digest || entry->gone_ms || moved;
	if (!entry->info)
		entry->info = malloc(sizeof(*entry->info));
	if (!entry->info)
		return;
	if (changed) {
		if (entry->loaded && entry->content != image->content)
			entry->seen_ns = clock_wall_ns();
		entry->revision = index_revision(s);
	}
	index_broken(s, entry, false);
	const struct blob *rev = side_get(&image->raw.side, "rev");
	snprintf(entry->rev, sizeof(entry->rev), "%s", blob_data(rev));
	if (!entry->mount.digest || is_pushed(s, entry, image)) {
		entry->mount.digest = image->digest;
		entry->mount.chain = image->chain;
	}
	entry->loaded = entry->listed = true;
	entry->digest = image->digest;
	entry->content = image->content;
	entry->chain = image->chain;
	entry->gone_ms = 0;
	entry->lost_data = entry->forgotten = false;
	entry->count = (uint32_t)image->raw.count;
	entry->ours = (uint32_t)image->ours_count;
	entry->lost = (uint32_t)image->lost_count;
	*entry->info = image->info;
	index_image(s, entry, image);
}

/* It is no thread: said once, until it is one again. Under the mutex; true: say it. */
static bool take_broken(struct layout_store *s, struct entry *entry)
{
	bool say = !entry->broken;
	index_broken(s, entry, true);
	entry->listed = entry->loaded; /* what was one reads EIO; what never was is not shown */
	entry->revision = index_revision(s);
	index_image(s, entry, NULL);
	return say;
}

static void say_lost(const struct image *image, uint32_t more)
{
	log_warning("thread %s: the chat server has written over %u turn%s of turnfs's; what was "
		    "written is in .turnfs/lost/%s",
		image->info.id, more, more == 1 ? "" : "s", image->info.id);
}

/* In a layout of bare keys: a list that was never this tool's, as its first element says. */
static bool is_foreign(struct layout_store *s, const struct entry *entry, const struct image *image)
{
	const struct raw *raw = &image->raw;
	if (entry->loaded || !layout_is_bare(s->layout) || raw->count == 0)
		return false;
	return !raw->elements[s->layout->newest_first ? raw->count - 1 : 0]->readable;
}

static int settle(struct layout_store *s, uint64_t gen, uint64_t told, int r, struct image *image)
{
	bool say = false;
	uint32_t lost = 0;
	const char *id = image ? image->info.id : "";
	char name[STORE_NAME_MAX + 1];
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	if (entry && r == 0 && is_foreign(s, entry, image))
		r = -ENOENT;
	/* One that was seen to go since it was read is not brought back: nobody would look again.
	 */
	bool overtaken = entry && entry->gone_ms && entry->told != told;
	if (entry && r == 0 && !overtaken) {
		uint32_t before = entry->lost;
		take_image(s, entry, image);
		lost = entry->lost > before ? entry->lost - before : 0;
		entry->fresh = s->up && entry->told == told;
	} else if (entry && r == -ENOENT) {
		index_gone(s, entry);
	} else if (entry && r == -EBADMSG) {
		say = take_broken(s, entry);
		snprintf(name, sizeof(name), "%s", entry->place->id);
		id = name;
	}
	pthread_mutex_unlock(&s->mutex);
	if (lost)
		say_lost(image, lost);
	if (say)
		log_warning(
			"thread %s: what its key has is no thread of layout %s; it is not shown",
			id, s->layout->name);
	return r == -EBADMSG ? -EIO : r;
}

int layout_reload(struct layout_store *s, uint64_t gen, struct image **ret)
{
	CLEAN_IMAGE struct image *before = NULL;
	struct image *image = NULL;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	uint64_t told = entry ? entry->told : 0;
	if (entry)
		before = image_ref(entry->image);
	bool wrote = entry && entry->wrote_ms && layout_now(s) - entry->wrote_ms < OWN_NEWS_MS;
	pthread_mutex_unlock(&s->mutex);
	if (!place)
		return -ENOENT;
	int r = layout_fetch(s, place, before, wrote, &image);
	r = settle(s, gen, told, r, image);
	place_unref(place);
	if (r < 0) {
		image_unref(image);
		return r;
	}
	*ret = image;
	return 0;
}

/* From memory, if it may be. Under the mutex. */
static struct image *kept_image(struct layout_store *s, struct entry *entry)
{
	if (!s->up || !entry->fresh || !entry->image)
		return NULL;
	struct image *image = image_ref(entry->image);
	index_image(s, entry, image); /* used last */
	entry->fresh = true;
	return image;
}

int layout_image(struct layout_store *s, uint64_t gen, struct image **ret, uint64_t *ret_revision)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	bool known = entry && !entry->gone_ms;
	bool live = known && index_is_live(s, entry);
	struct image *image = live ? kept_image(s, entry) : NULL;
	bool ask = entry && !image && (live || !s->up);
	pthread_mutex_unlock(&s->mutex);
	int r = image ? 0 : ask ? layout_reload(s, gen, &image) : -ENOENT;
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->mutex);
	entry = index_find_gen(s, gen);
	if (entry && ret_revision)
		*ret_revision = entry->revision;
	pthread_mutex_unlock(&s->mutex);
	*ret = image;
	return 0;
}

int layout_info(struct layout_store *s, uint64_t gen, struct thread_info *ret)
{
	CLEAN_IMAGE struct image *image = NULL;
	int r = layout_image(s, gen, &image, NULL);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	if (entry)
		layout_known(s, entry, ret);
	pthread_mutex_unlock(&s->mutex);
	return entry ? 0 : -ENOENT;
}

void layout_wrote(struct layout_store *s, uint64_t gen, uint64_t told, struct image *image,
	int64_t deadline_ms, struct thread_info *ret)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	if (entry) {
		bool fresh = s->up && entry->told == told;
		bool knew = !entry->loaded || entry->mount.digest == entry->digest;
		entry->wrote_ms = layout_now(s);
		entry->told++; /* reads that are under way may have seen it before */
		index_deadline(s, entry, deadline_ms, false);
		entry->gone_ms = 0;
		if (image)
			take_image(s, entry, image);
		entry->fresh = image && fresh;
		entry->revision = index_revision(s);
		if (knew && (image || !entry->loaded))
			index_mount_knows(entry);
		else if (knew)
			entry->mount.deadline_ms = deadline_ms;
		/* else others have changed it too, and the mount will be told of that */
		if (ret)
			layout_known(s, entry, ret);
	}
	pthread_mutex_unlock(&s->mutex);
}
