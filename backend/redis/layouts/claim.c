/* Names claimed for files about to be made (O_EXCL): leases in side keys, kept up while we live. */
#include "draft.h"

#include "base/log.h"
#include "base/name.h"

#include <errno.h>
#include <utlist.h>

enum { LEASE_MS = 30 * 1000 };

static const struct redis_script script_claim = {"layout_claim", SCRIPT_WRITES, lua_layout_claim};

/* One number, one turn: the claim of a turn's name is that of its number. */
static void claim_field(const char *name, char ret[STORE_NAME_MAX + 16])
{
	uint32_t number;
	if (name_turn_parse(name, &number, NULL))
		snprintf(ret, STORE_NAME_MAX + 16, "claim:turn:%u", number);
	else
		snprintf(ret, STORE_NAME_MAX + 16, "claim:%s", name);
}

/* until_ms 0: gives it back. */
static int claim(struct layout_store *s, struct place *place, const char *name, int64_t until_ms)
{
	CLEAN_KEYS struct keys keys = {0};
	CLEAN_ARGS struct redis_args args = {0};
	char field[STORE_NAME_MAX + 16], file[STORE_NAME_MAX + 8];
	redisReply *reply = NULL;
	int r = keys_init(s, place, &keys);
	if (r < 0)
		return r;
	claim_field(name, field);
	snprintf(file, sizeof(file), "file:%s", name);
	redis_args_add_bytes(&args, keys.side, keys.side_size);
	redis_args_add_bytes(&args, place->key, place->key_size);
	redis_args_add(&args, field);
	redis_args_add_unsigned(&args, s->token);
	redis_args_add_number(&args, layout_now(s));
	redis_args_add_number(&args, until_ms);
	redis_args_add(&args, file);
	r = redis_write(s->pool, &script_claim, 2, &args, false, place->id, &reply);
	layout_write_ended(s, r == -EEXIST ? 0 : r);
	if (r == 0)
		freeReplyObject(reply);
	return r;
}

/* A turn's number must be the next one: said when it is opened, not when it is closed. */
static int check(struct layout_store *s, uint64_t gen, const char *name)
{
	CLEAN_IMAGE struct image *image = NULL;
	uint32_t number;
	int r = layout_image(s, gen, &image, NULL);
	if (r < 0)
		return r;
	if (image_find(image, name))
		return -EEXIST;
	if (!name_turn_parse(name, &number, NULL))
		return 0;
	return number <= image->raw.count ? -EEXIST : number > image->raw.count + 1 ? -EINVAL : 0;
}

static struct place *place_of(struct layout_store *s, uint64_t gen)
{
	pthread_mutex_lock(&s->mutex);
	struct entry *entry = index_find_gen(s, gen);
	struct place *place = entry ? place_ref(entry->place) : NULL;
	pthread_mutex_unlock(&s->mutex);
	return place;
}

int layout_claim(struct store *store, struct thread_ref ref, const char *name)
{
	struct layout_store *s = layout_store_of(store);
	if (s->read_only)
		return -EROFS;
	if (name_file_check(name) < 0)
		return -EINVAL;
	int r = check(s, ref.gen, name);
	struct layout_claim *kept = r == 0 ? calloc(1, sizeof(*kept)) : NULL;
	struct place *place = kept ? place_of(s, ref.gen) : NULL;
	if (r == 0)
		r = !kept    ? -ENOMEM
		    : !place ? -ENOENT
			     : claim(s, place, name, layout_now(s) + LEASE_MS);
	place_unref(place);
	if (r < 0) {
		free(kept);
		return r;
	}
	kept->gen = ref.gen;
	snprintf(kept->name, sizeof(kept->name), "%s", name);
	pthread_mutex_lock(&s->mutex);
	DL_APPEND(s->claims, kept);
	pthread_mutex_unlock(&s->mutex);
	return 0;
}

/* Takes one out of those that are kept; NULL: it is none. */
static struct layout_claim *take(struct layout_store *s, uint64_t gen, const char *name)
{
	struct layout_claim *kept;
	pthread_mutex_lock(&s->mutex);
	DL_FOREACH(s->claims, kept)
	if (kept->gen == gen && !strcmp(kept->name, name))
		break;
	if (kept)
		DL_DELETE(s->claims, kept);
	pthread_mutex_unlock(&s->mutex);
	return kept;
}

void layout_unclaim(struct store *store, struct thread_ref ref, const char *name)
{
	struct layout_store *s = layout_store_of(store);
	struct layout_claim *kept = take(s, ref.gen, name);
	struct place *place = kept ? place_of(s, ref.gen) : NULL;
	if (place && claim(s, place, name, 0) < 0)
		log_debug("thread %s: a claimed name stays so until its lease is over", place->id);
	place_unref(place);
	free(kept);
}

void layout_claims_renew(struct layout_store *s)
{
	struct layout_claim *kept, due[16];
	size_t count = 0;
	pthread_mutex_lock(&s->mutex);
	DL_FOREACH(s->claims, kept)
	if (count < sizeof(due) / sizeof(*due))
		due[count++] = *kept;
	pthread_mutex_unlock(&s->mutex);
	for (size_t i = 0; i < count; i++) {
		struct place *place = place_of(s, due[i].gen);
		if (place && claim(s, place, due[i].name, layout_now(s) + LEASE_MS) < 0)
			log_debug(
				"thread %s: the lease of a claimed name is not kept up", place->id);
		place_unref(place);
	}
}

void layout_claims_drop(struct layout_store *s)
{
	while (s->claims) {
		const struct layout_claim kept = *s->claims;
		layout_unclaim(&s->store, (struct thread_ref){"", kept.gen}, kept.name);
	}
}
