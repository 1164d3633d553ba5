/* Loss noticed: threads whose data the server no longer has, a store that went back in time (R5).
 */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { ERASE_SLACK_MS = 1000 }; /* what our idea of the server's clock may be late */

static const struct redis_script script_set = {"set", SCRIPT_WRITES, lua_set};
static const struct redis_script script_missing = {"missing", SCRIPT_READS, lua_missing};
static const struct redis_script script_names = {"names", SCRIPT_READS, lua_names};

void own_lost(struct own_store *s, const struct thread_info *info)
{
	struct thread_info known;
	if (!known_lose(&s->known, info->gen, &known))
		return; /* said already */
	pthread_mutex_lock(&s->lock);
	s->lost++;
	pthread_mutex_unlock(&s->lock);
	log_error("thread %s: %s has lost it: it was there and its data is gone; `turnfs why %s` "
		  "tells more",
		known.id, s->storage, known.id);
	own_notice(s, &(struct store_notice){.kind = NOTICE_DATA_LOST,
			      .id = known.id,
			      .gen = known.gen,
			      .info = &known});
}

/* Somebody else touched its keys: evicted them, or changed them without saying so. */
void own_loss_look(struct own_store *s, uint64_t gen)
{
	struct thread_info info, known;
	struct thread_ref ref = {.id = "", .gen = gen};
	int rc = own_thread_stat(&s->store, ref, &info);
	if (rc == -ENOENT)
		return; /* erased, or the rows are gone too: own_loss_check() sees that */
	if (rc < 0) {
		own_notice(s, &(struct store_notice){.kind = NOTICE_LOST, .id = ""});
		return;
	}
	if (known_get(&s->known, gen, &known)) {
		struct own_call call CLEAN_CALL = {0};
		own_read_begin(s, &call);
		redis_args_add_unsigned(&call.args, gen);
		redis_args_add(&call.args, "");
		redis_args_add(&call.args, "1");
		redis_args_add(&call.args, "");
		if (own_read(s, &script_names, &call, info.id) == 0 && call.reply->elements > 0 &&
			info.deadline_ms > own_now_ms(&s->store) + ERASE_SLACK_MS)
			own_said(s, call.reply, ref);
	}
	own_notice(s, &(struct store_notice){.kind = NOTICE_FILE, .id = info.id, .gen = gen});
}

/* epoch and revision; "" and 0 where they are not. */
static int read_epoch(struct own_store *s, char epoch[33], uint64_t *ret_revision)
{
	struct own_call call CLEAN_CALL = {0};
	char keys[2][256];
	snprintf(keys[0], sizeof(keys[0]), "%sepoch", s->prefix);
	snprintf(keys[1], sizeof(keys[1]), "%srevision", s->prefix);
	redis_args_add(&call.args, "MGET");
	redis_args_add(&call.args, keys[0]);
	redis_args_add(&call.args, keys[1]);
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	if (rc < 0)
		return rc;
	const redisReply *text = own_string_at(call.reply, 0), *number;
	number = own_string_at(call.reply, 1);
	snprintf(epoch, 33, "%s", text ? text->str : "");
	*ret_revision = 0;
	return number ? own_number_parse(number, ret_revision) : 0;
}

/* A new epoch, unless another mount was first. */
static int make_epoch(struct own_store *s, char epoch[33])
{
	struct own_call call CLEAN_CALL = {0};
	unsigned char random[16];
	char key[256], made[33];
	uint64_t revision;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(made + 2 * i, 3, "%02x", random[i]);
	snprintf(key, sizeof(key), "%sepoch", s->prefix);
	redis_args_add(&call.args, "SET");
	redis_args_add(&call.args, key);
	redis_args_add(&call.args, made);
	redis_args_add(&call.args, "NX"); /* so that doing it twice is doing it once */
	int rc = redis_read(s->pool, &call.args, "", &call.reply);
	return rc < 0 ? rc : read_epoch(s, epoch, &revision);
}

/*
 * What is wrong with a store that has this epoch and revision, when `seen` was known before it was
 * asked; the lock is held. False: nothing.
 */
static bool went_back(
	struct own_store *s, const char *epoch, uint64_t revision, uint64_t seen, const char *since)
{
	bool flushed = s->epoch[0] && strcmp(epoch, s->epoch) != 0;
	if (!flushed && revision >= seen)
		return false;
	if (flushed)
		snprintf(s->went_back, sizeof(s->went_back),
			"the server's data was flushed or replaced %s; what was in it before is "
			"lost",
			since);
	else
		snprintf(s->went_back, sizeof(s->went_back),
			"the server went back in time %s (an older dump, or a failover that lost "
			"writes): up to %llu changes are lost",
			since, (unsigned long long)(seen - revision));
	return true;
}

/* Numbers and revisions go on where they were, whatever the store remembers. */
static void go_forward(struct own_store *s, uint64_t revision, uint64_t number)
{
	enum { MARGIN = 1 << 20 }; /* what others may have been given meanwhile */
	struct own_call call CLEAN_CALL = {0};
	redis_args_add(&call.args, s->prefix);
	redis_args_add(&call.args, "forward");
	redis_args_add_unsigned(&call.args, revision + MARGIN);
	redis_args_add_unsigned(&call.args, number + MARGIN);
	if (own_write(s, &script_set, &call, false, "") < 0)
		log_warning("%s: numbers could not be moved on behind those given out", s->storage);
}

/* The store as it is now is what later looks are held against. */
static int take_epoch(struct own_store *s, char epoch[33], uint64_t revision)
{
	bool writes = !s->options.read_only && !s->options.peek;
	int rc = !epoch[0] && writes ? make_epoch(s, epoch) : 0;
	pthread_mutex_lock(&s->lock);
	memcpy(s->epoch, rc < 0 ? "" : epoch, rc < 0 ? 1 : sizeof(s->epoch));
	s->revision_seen = revision;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int own_epoch_begin(struct own_store *s, struct errtext *error)
{
	char epoch[33];
	uint64_t revision;
	memo_open(s);
	if (!memo_read(s, s->epoch, &s->revision_seen, &s->number_seen))
		s->epoch[0] = '\0';
	int rc = read_epoch(s, epoch, &revision);
	uint64_t seen = s->revision_seen;
	bool back =
		rc == 0 && went_back(s, epoch, revision, seen, "since it was mounted here last");
	if (rc == 0)
		rc = take_epoch(s, epoch, revision);
	if (rc < 0)
		return errtext_set(error, rc, "%s cannot be read: %s", s->storage, strerror(-rc));
	if (!back)
		return 0;
	log_error("%s: %s", s->storage, s->went_back);
	if (!s->options.read_only)
		go_forward(s, seen, s->number_seen);
	return 0;
}

/*
 * Which of these generations have no row and should; with `all` whatever has none. They end up in
 * `gens` again; how many, or -errno.
 */
static int missing(struct own_store *s, bool all, uint64_t *gens, size_t count)
{
	struct own_call call CLEAN_CALL = {0};
	char epoch[33];
	pthread_mutex_lock(&s->lock);
	memcpy(epoch, s->epoch, sizeof(epoch));
	pthread_mutex_unlock(&s->lock);
	own_read_begin(s, &call);
	redis_args_add(&call.args, all ? "1" : epoch);
	for (size_t i = 0; i < count; i++)
		redis_args_add_unsigned(&call.args, gens[i]);
	int rc = own_read(s, &script_missing, &call, "");
	if (rc < 0)
		return rc;
	if (call.reply->elements > count)
		return -EIO;
	for (size_t i = 0; i < call.reply->elements; i++) {
		rc = own_number_parse(call.reply->element[i], &gens[i]);
		if (rc < 0)
			return rc;
	}
	return (int)call.reply->elements;
}

/* Tells of known threads whose rows are gone. 0, or -errno: not all were looked at. */
static int find_lost(struct own_store *s, bool all)
{
	uint64_t gens[OWN_PAGE_MAX];
	size_t after = 0, count;
	while ((count = known_page(&s->known, after, OWN_PAGE_MAX, gens)) > 0) {
		int lost = missing(s, all, gens, count);
		if (lost < 0)
			return lost;
		after += count;
		int64_t now = own_now_ms(&s->store);
		for (int i = 0; i < lost; i++) {
			struct thread_info info;
			if (!known_get(&s->known, gens[i], &info) || info.deadline_ms <= now)
				continue;
			own_lost(s, &info);
			after--;
		}
	}
	return 0;
}

/* What a command that answers with a number says; 0 where it fails. */
static uint64_t count_of(struct own_store *s, const char *command, const char *what)
{
	struct own_call call CLEAN_CALL = {0};
	uint64_t count;
	char key[256];
	snprintf(key, sizeof(key), "%s%s", s->prefix, what);
	redis_args_add(&call.args, command);
	redis_args_add(&call.args, key);
	if (redis_read(s->pool, &call.args, "", &call.reply) < 0 ||
		own_number_parse(call.reply, &count) < 0)
		return 0;
	return count;
}

/* Looks for what is lost if something is, or could not be read when it was looked for last. */
static void look_for_lost(struct own_store *s, bool flushed)
{
	pthread_mutex_lock(&s->lock);
	s->unsought = s->unsought || flushed;
	bool all = s->unsought;
	pthread_mutex_unlock(&s->lock);
	if (!all && count_of(s, "HLEN", "threads") >= count_of(s, "ZCARD", "gens"))
		return;
	if (find_lost(s, all) < 0 || !all)
		return;
	pthread_mutex_lock(&s->lock);
	s->unsought = false;
	pthread_mutex_unlock(&s->lock);
}

void own_loss_check(struct own_store *s)
{
	char epoch[33];
	uint64_t revision;
	pthread_mutex_lock(&s->lock);
	uint64_t seen = s->revision_seen, number = s->number_seen;
	pthread_mutex_unlock(&s->lock);
	if (read_epoch(s, epoch, &revision) < 0)
		return;
	pthread_mutex_lock(&s->lock);
	bool back = went_back(s, epoch, revision, seen, "while this was mounted");
	if (!back && revision > s->revision_seen)
		s->revision_seen = revision;
	pthread_mutex_unlock(&s->lock);
	if (back)
		log_error("%s: %s", s->storage, s->went_back);
	look_for_lost(s, back);
	if (back) {
		(void)take_epoch(s, epoch, revision); /* the next look tries again */
		if (!s->options.read_only && !s->options.peek)
			go_forward(s, seen, number);
	}
	atomic_store(&s->unsettled, false);
	memo_keep(s);
}

/* A known thread has no row: others have removed it, or the store has lost it, and others with it.
 */
static void look_at_absent(struct own_store *s, const struct thread_info *info)
{
	uint64_t gen = info->gen;
	if (info->deadline_ms <= own_now_ms(&s->store) || missing(s, false, &gen, 1) != 1)
		return;
	own_lost(s, info);
	(void)find_lost(s, false);
}

int own_absent(struct own_store *s, struct thread_ref ref)
{
	struct thread_info info;
	if (atomic_load(&s->unsettled))
		own_loss_check(s);
	if (known_get(&s->known, ref.gen, &info)) {
		look_at_absent(s, &info);
		ref.id = info.id;
	}
	return known_is_lost(&s->known, ref.id, own_now_ms(&s->store)) ? -EIO : -ENOENT;
}
