/* How the own layout's store is: durability in words, what is wrong, how much there is. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

int own_sync(struct store *store)
{
	struct own_store *s = (struct own_store *)store;
	return s->options.read_only || s->options.peek ? 0 : redis_sync(s->pool);
}

void own_server_look(struct own_store *s)
{
	struct redis_server server;
	if (redis_server_read(s->pool, s->options.server.replicas, &server) < 0)
		return;
	pthread_mutex_lock(&s->lock);
	struct redis_server before = s->server;
	s->server = server;
	redis_pool_facts(s->pool, &s->facts);
	pthread_mutex_unlock(&s->lock);
	redis_server_log(&before, &server);
}

static uint64_t count_threads(struct own_store *s)
{
	struct own_call call CLEAN_CALL = {0};
	char key[256];
	uint64_t value = 0;
	snprintf(key, sizeof(key), "%sthreads", s->prefix);
	redis_args_add(&call.args, "HLEN");
	redis_args_add(&call.args, key);
	if (redis_read(s->pool, &call.args, "", &call.reply) == 0)
		(void)own_number_parse(call.reply, &value);
	return value;
}

int own_usage(struct store *store, struct store_usage *ret)
{
	struct own_store *s = (struct own_store *)store;
	pthread_mutex_lock(&s->lock);
	struct redis_server server = s->server;
	pthread_mutex_unlock(&s->lock);
	uint64_t total = server.max_memory ? server.max_memory : server.system_memory;
	*ret = (struct store_usage){
		.bytes_total = total,
		.bytes_used = server.used_memory,
		.bytes_free = total > server.used_memory ? total - server.used_memory : 0,
		.threads = count_threads(s),
		.files = known_files(&s->known),
	};
	return 0;
}

/* A write that changes nothing, to see whether one would be done. */
static int probe_write(struct own_store *s)
{
	uint64_t first;
	return own_reserve(&s->store, 0, &first);
}

/* The worst of what is wrong, and what mends it. The lock is held. */
static void say_problem(struct own_store *s, int down, struct store_health *health)
{
	const size_t room = sizeof(health->problem);
	char away[REDIS_AWAY_MAX];
	if (down) {
		redis_server_away(down, away);
		snprintf(health->problem, room,
			"%.200s %s; it is tried again at every call, and what was accepted is safe "
			"there as the durability line says",
			s->storage, away);
	} else if (s->server.write_refused) {
		snprintf(health->problem, room, "%s", s->server.problem);
	} else if (s->went_back[0]) {
		snprintf(health->problem, room, "%s", s->went_back);
	} else if (s->lost) {
		snprintf(health->problem, room,
			"%llu thread%s lost by the store since the start; .turnfs/why/ID tells "
			"which%s%.350s",
			(unsigned long long)s->lost, s->lost == 1 ? " was" : "s were",
			s->server.problem[0] ? "; " : "", s->server.problem);
	} else {
		snprintf(health->problem, room, "%s", s->server.problem);
	}
}

int own_health(struct store *store, bool probe, struct store_health *ret)
{
	struct own_store *s = (struct own_store *)store;
	struct store_health health = {.check = "not kept by a server"};
	int down = 0;
	pthread_mutex_lock(&s->lock);
	bool failed = s->last_error;
	pthread_mutex_unlock(&s->lock);
	if (probe && failed && !s->options.read_only)
		(void)probe_write(s); /* what came of it is in last_error */
	if (redis_pool_is_up(s->pool, &down))
		down = 0;
	pthread_mutex_lock(&s->lock);
	snprintf(health.storage, sizeof(health.storage), "%s", s->storage);
	snprintf(health.durability, sizeof(health.durability), "%s", s->server.durability);
	say_problem(s, down, &health);
	health.error = down ? down : s->last_error;
	if (!health.error && s->server.write_refused)
		health.error = s->server.error;
	health.state = health.error	   ? HEALTH_FAILED
		       : health.problem[0] ? HEALTH_DEGRADED
					   : HEALTH_OK;
	health.damaged = s->lost;
	pthread_mutex_unlock(&s->lock);
	*ret = health;
	return 0;
}

struct verify {
	uint64_t done, total, damaged;
	char first[STORE_NAME_MAX + 1]; /* the first thread that is damaged */
};

static int verify_thread(struct own_store *s, const struct thread_info *info, struct verify *v)
{
	struct thread_ref ref = {info->id, info->gen};
	char after[STORE_NAME_MAX + 1] = "";
	struct blob *doc = NULL;
	uint64_t bad = own_doc_read(&s->store, ref, &doc, NULL) == -EIO;
	blob_unref(doc);
	for (bool more = true; more;) {
		struct file_page page;
		int rc = own_file_list(&s->store, ref, after, 100, true, &page);
		if (rc == -ENOENT)
			break;
		if (rc == -EIO) {
			bad++;
			break;
		}
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count; i++) {
			bad += !page.contents[i];
			memcpy(after, page.items[i].name, sizeof(after));
		}
		more = page.more;
		v->done += page.count;
		file_page_done(&page);
	}
	if (bad && !v->damaged)
		memcpy(v->first, info->id, sizeof(v->first));
	v->damaged += bad;
	return 0;
}

int own_check(struct store *store, bool (*progress)(void *arg, uint64_t done, uint64_t total),
	void *arg, uint64_t *ret_damaged, struct errtext *ret_text)
{
	struct own_store *s = (struct own_store *)store;
	struct verify v = {.total = known_files(&s->known)};
	bool stopped = false;
	for (int state = THREAD_LIVE; state <= THREAD_GRACE && !stopped; state++) {
		uint64_t after = 0;
		for (bool more = true; more && !stopped;) {
			struct thread_page page;
			int rc =
				own_thread_list(store, (enum thread_state)state, after, 100, &page);
			for (size_t i = 0; rc == 0 && i < page.count; i++) {
				after = page.items[i].gen;
				rc = verify_thread(s, &page.items[i], &v);
			}
			if (rc < 0)
				return errtext_set(ret_text, rc, "%s cannot be read: %s",
					s->storage, strerror(-rc));
			more = page.more && page.count;
			thread_page_done(&page);
			stopped = progress && progress(arg, v.done, v.total);
		}
	}
	*ret_damaged = v.damaged;
	if (v.damaged)
		return errtext_set(ret_text, -EIO,
			"%llu of %llu files are damaged or lost, the first in thread %s",
			(unsigned long long)v.damaged, (unsigned long long)v.done, v.first);
	return errtext_set(ret_text, 0, "%llu files verified%s", (unsigned long long)v.done,
		stopped ? " before it was stopped" : "");
}
