/* Threads made and removed, where the layout has a place for that. */
#include "draft.h"

#include "codecs/zen_value.h"
#include "rules.h"

#include "base/name.h"

#include <errno.h>

enum { THREAD_MODE = 0700 };

/* What of a new thread the tool has no place for. */
static int side_of(struct layout_store *s, const struct thread_info *info, int64_t deadline_ms,
	struct side_map *ret)
{
	struct record record = {0}, doc = {0};
	char ttl[48];
	int r = 0;
	if (info->mode != THREAD_MODE) {
		record.set |= SET_MODE;
		record.mode = info->mode;
	}
	if (info->uid != s->uid || info->gid != s->gid) {
		record.set |= SET_OWNER;
		record.uid = info->uid;
		record.gid = info->gid;
	}
	if (info->doc.mode != (info->mode & 0666)) {
		doc.set |= SET_MODE;
		doc.mode = info->doc.mode;
	}
	if (record.set)
		r = side_put_record(ret, "thread", &record);
	if (r == 0 && doc.set)
		r = side_put_record(ret, "doc", &doc);
	if (r < 0 || s->layout->kind == LAYOUT_VALUE)
		return r;
	snprintf(ttl, sizeof(ttl), "%lld %lld", (long long)info->ttl_ms, (long long)deadline_ms);
	r = info->ttl_ms == STORE_TTL_NEVER ? 0 : side_put_text(ret, "ttl", ttl);
	return r < 0 ? r : side_put_text(ret, "made", "1");
}

static void add_absent(const struct keys *keys, struct server_step *step)
{
	struct redis_args *args = server_step_check(step, "0", 2);
	redis_args_add(args, "EXISTS");
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	args = server_step_check(step, "0", 3);
	redis_args_add(args, "HEXISTS");
	redis_args_add_bytes(args, keys->side, keys->side_size);
	redis_args_add(args, "made");
	args = server_step_command(step, 3); /* what an earlier life may have left */
	redis_args_add(args, "UNLINK");
	redis_args_add_bytes(args, keys->side, keys->side_size);
	redis_args_add_bytes(args, keys->files, keys->files_size);
}

static int create(
	struct layout_store *s, struct place *place, const struct thread_info *info, unsigned flags)
{
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_SERVER_STEP struct server_step step = {0};
	CLEAN_BLOB struct blob *value = NULL;
	struct side_map side = {0};
	struct life life = {.renews = true,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = rules_deadline(layout_now(s), info->ttl_ms)};
	int r = keys_init(s, place, &keys);
	if (r == 0 && s->layout->kind == LAYOUT_VALUE)
		r = zen_value_create(info->id, info->created_ns, NULL, &value);
	if (r == 0)
		r = side_of(s, info, life.deadline_ms, &side);
	if (r == 0) {
		add_absent(&keys, &step);
		if (value) {
			struct redis_args *args = server_step_command(&step, 3);
			redis_args_add(args, "SET");
			redis_args_add_bytes(args, place->key, place->key_size);
			redis_args_add_blob(args, value);
		}
		for (size_t i = 0; i < side.count; i++) {
			struct redis_args *args = server_step_command(&step, 4);
			redis_args_add(args, "HSET");
			redis_args_add_bytes(args, keys.side, keys.side_size);
			redis_args_add_blob(args, side.items[i].name);
			redis_args_add_blob(args, side.items[i].value);
		}
		life_set(&life, &keys, value != NULL, &step);
		r = server_step_run(
			s, &keys, &step, flags & STORE_DURABLE, &life.deadline_ms, NULL);
	}
	side_map_done(&side);
	if (r == 0)
		layout_wrote(s, place->gen, 0, NULL, life.deadline_ms, NULL);
	return r == -EAGAIN ? -EEXIST : r;
}

static struct place *place_for(struct layout_store *s, const char *id)
{
	CLEAN_FREE char *key = NULL;
	size_t size;
	if (!keys_of_id(s, id, &key, &size))
		return NULL;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_get(s, key, size);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	pthread_mutex_unlock(&s->mutex);
	return place;
}

static void info_of(struct layout_store *s, uint64_t gen, struct thread_info *ret)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	if (entry)
		layout_known(s, entry, ret);
	pthread_mutex_unlock(&s->mutex);
}

int layout_thread_create(struct store *store, const struct thread_info *info, unsigned flags,
	struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	bool ttl_valid = info->ttl_ms > 0 || info->ttl_ms == STORE_TTL_NEVER;
	if (s->read_only)
		return -EROFS;
	if (name_thread_check(info->id) < 0 || !ttl_valid ||
		!layout_id_usual(s->layout, info->id, strlen(info->id)))
		return -EINVAL;
	struct place *place = place_for(s, info->id);
	if (!place)
		return -EINVAL; /* match= does not have it */
	struct thread_info made = *info;
	if (!s->layout->keeps_ttl) /* the tool would never renew it */
		made.ttl_ms = STORE_TTL_NEVER;
	int r = create(s, place, &made, flags);
	CLEAN_IMAGE struct image *image = NULL;
	if (r == 0)
		r = layout_reload(s, place->gen, &image);
	if (r == 0 && ret)
		info_of(s, place->gen, ret);
	place_unref(place);
	return r;
}

/* A thread's name is the tool's own: it is in its key, and its processes know it by that. */
int layout_thread_rename(struct store *store, struct thread_ref ref, const char *to, bool replace,
	int64_t time_ns, struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	struct thread_info info;
	if (s->read_only)
		return -EROFS;
	int r = layout_info(s, ref.gen, &info);
	if (r < 0)
		return r;
	if (strcmp(info.id, to) != 0)
		return -EPERM;
	if (ret)
		*ret = info;
	return 0;
}

static void add_unlink(const struct keys *keys, struct server_step *step)
{
	struct redis_args *args =
		server_step_command(step, 4 + (keys->session ? 1 : 0) + (keys->also ? 1 : 0));
	redis_args_add(args, "UNLINK");
	redis_args_add_bytes(args, keys->place->key, keys->place->key_size);
	redis_args_add_bytes(args, keys->side, keys->side_size);
	redis_args_add_bytes(args, keys->files, keys->files_size);
	if (keys->session)
		redis_args_add_bytes(args, keys->session, keys->session_size);
	if (keys->also)
		redis_args_add_bytes(args, keys->also, keys->also_size);
}

static int remove_once(struct layout_store *s, struct thread_ref ref, struct thread_info *ret)
{
	CLEAN_DRAFT struct draft d = {0};
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_SERVER_STEP struct server_step step = {0};
	int r = draft_init(&d, s, ref, NULL, false);
	if (r == 0 && d.image->file_count > 0)
		r = -ENOTEMPTY;
	if (r == 0)
		r = keys_init(s, d.place, &keys);
	if (r < 0)
		return r;
	struct redis_args *args = d.image->raw.there
					  ? server_step_check_blob(&step, d.image->raw.value, 2)
					  : server_step_check(&step, "0", 2);
	redis_args_add(args, d.image->raw.there ? "GET" : "EXISTS");
	redis_args_add_bytes(args, d.place->key, d.place->key_size);
	args = server_step_check_blob(&step, side_get(&d.side, "rev"), 3);
	redis_args_add(args, "HGET");
	redis_args_add_bytes(args, keys.side, keys.side_size);
	redis_args_add(args, "rev");
	add_unlink(&keys, &step);
	*ret = d.image->info;
	info_of(s, ref.gen, ret);
	struct ledger_entry line = rules_line(LEDGER_DELETED, ret, d.place->id, "", layout_now(s));
	r = server_step_enter(s, &line, &step);
	if (r == 0)
		r = server_step_run(s, &keys, &step, true, NULL, NULL);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, ref.gen);
	if (entry) {
		entry->told++;
		entry->wrote_ms = entry->gone_ms = layout_now(s);
		entry->revision = index_revision(s);
		index_image(s, entry, NULL);
		index_mount_knows(entry);
	}
	pthread_mutex_unlock(&s->mutex);
	return 0;
}

int layout_thread_remove(
	struct store *store, struct thread_ref ref, int64_t time_ns, struct thread_info *ret)
{
	struct layout_store *s = layout_store_of(store);
	if (s->read_only)
		return -EROFS;
	struct thread_info info;
	int r = -EAGAIN;
	for (int i = 0; r == -EAGAIN; i++) {
		r = remove_once(s, ref, &info);
		if (!layout_again(s, ref.gen, r, i))
			break;
	}
	if (r == 0 && ret)
		*ret = info;
	return r == -EAGAIN ? -ENOTEMPTY : r;
}
