/* Opening and closing the layouts' store, and its table of operations. */
#include "layout_store.h"

#include "inside.h"
#include "server_step.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>

int64_t layout_now(struct layout_store *s)
{
	if (s->clock)
		return clock_now_ms(s->clock);
	return redis_pool_now_ms(s->pool);
}

static int64_t layout_now_ms(struct store *store)
{
	return layout_now(layout_store_of(store));
}

/* Nothing of ours is under way any more: nobody will ask for its outcome. */
static void drop_tokens(struct layout_store *s)
{
	CLEAN_ARGS struct redis_args args = {0};
	redisReply *reply;
	redis_args_add(&args, "UNLINK");
	redis_args_add(&args, s->tokens_key);
	if (redis_read(s->pool, &args, "", &reply) == 0)
		freeReplyObject(reply);
}

static void layout_free(struct layout_store *s)
{
	redis_watch_stop(s->watch);
	worker_stop(s);
	if (s->pool && !s->read_only) {
		layout_claims_drop(s);
		drop_tokens(s);
	}
	index_free(s);
	redis_pool_close(s->pool);
	redis_url_done(&s->url);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->mutex);
	free(s->match);
	free(s->side);
	free(s->tokens_key);
	free(s->watched[0]);
	free(s->watched[1]);
	free(s);
}

static void layout_close(struct store *store)
{
	layout_free(layout_store_of(store));
}

static const struct store_ops layout_ops = {
	.name = "layout",
	.shared = true,
	.close = layout_close,
	.now_ms = layout_now_ms,
	.reserve = layout_reserve,
	.root_get = layout_root_get,
	.root_set = layout_root_set,
	.thread_find = layout_thread_find,
	.thread_stat = layout_thread_stat,
	.thread_list = layout_thread_list,
	.thread_create = layout_thread_create,
	.thread_rename = layout_thread_rename,
	.thread_remove = layout_thread_remove,
	.doc_read = layout_doc_read,
	.file_stat = layout_file_stat,
	.turn_stat = layout_turn_stat,
	.file_list = layout_file_list,
	.file_read = layout_file_read,
	.apply = layout_apply,
	.move = layout_move,
	.append = layout_append,
	.sync = layout_sync,
	.claim = layout_claim,
	.unclaim = layout_unclaim,
	.purge = layout_purge,
	.ledger_add = layout_ledger_add,
	.ledger_list = layout_ledger_list,
	.lost_next = layout_lost_next,
	.usage = layout_usage,
	.health = layout_health,
	.check = layout_check,
};

static int check_options(
	const struct layout *layout, const struct store_options *options, struct errtext *error)
{
	const char *prefix = options->server.prefix;
	char names[256];
	if (!layout)
		return errtext_set(error, -EINVAL, "There is no layout '%s'; there are: %s",
			options->server.layout, layout_names(names, sizeof(names)));
	if (layout_is_bare(layout) && !options->server.match)
		return errtext_set(error, -EINVAL,
			"The keys of layout %s say nothing of whose they are: name them with "
			"match=PATTERN, as in match=chat-*",
			layout->name);
	if (prefix && (!*prefix || strlen(prefix) > 128 || strpbrk(prefix, "{}*?[]\\ \n") ||
			      !utf8_valid(prefix, strlen(prefix))))
		return errtext_set(error, -EINVAL,
			"The prefix '%s' cannot begin keys: take letters, digits and colons, as in "
			"prefix=turnfs:",
			prefix);
	if (options->server.match && strlen(options->server.match) > 512)
		return errtext_set(error, -EINVAL, "The pattern of match= is too long");
	return 0;
}

/* The keys that are told of: what both patterns begin with for certain. */
static char *watched_prefix(const struct layout *layout, const char *match)
{
	size_t plain = match ? strcspn(match, "*?[\\") : 0;
	if (!match || plain <= strlen(layout->prefix))
		return strdup(layout->prefix);
	return strndup(match, plain);
}

static int make_names(struct layout_store *s, const struct store_server *server)
{
	const char *prefix = server->prefix ? server->prefix : "turnfs:";
	s->named = server->match;
	s->uid = getuid();
	s->gid = getgid();
	s->token = random_number();
	s->watched[0] = watched_prefix(s->layout, server->match);
	if (!s->watched[0] || asprintf(&s->side, "%sside:", prefix) < 0 ||
		asprintf(&s->tokens_key, "%sside:tokens:%016llx", prefix,
			(unsigned long long)s->token) < 0)
		return -ENOMEM;
	if (server->match)
		s->match = strdup(server->match);
	else if (asprintf(&s->match, "%s*%s", s->layout->prefix, s->layout->suffix) < 0)
		s->match = NULL;
	if (!s->match)
		return -ENOMEM;
	size_t shorter = strlen(s->watched[0]);
	if (strncmp(s->watched[0], s->side, shorter < strlen(s->side) ? shorter : strlen(s->side)))
		s->watched[1] = strdup(s->side); /* no prefix may begin another */
	return 0;
}

/* R6, S4: what must be known of the server before it is written to. */
static int look_at_server(
	struct layout_store *s, const struct store_options *options, struct errtext *error)
{
	int r = redis_server_read(s->pool, s->replicas, &s->server);
	if (r < 0)
		return errtext_set(error, r, "%s cannot be asked how durable it is: %s", s->storage,
			strerror(-r));
	redis_pool_facts(s->pool, &s->facts);
	r = redis_server_check(
		&s->server, &s->facts, s->read_only, options->server.allow_eviction, error);
	if (r < 0 || options->peek)
		return r;
	if (s->server.problem[0])
		log_warning("warning: %s: %s", s->storage, s->server.problem);
	if (!s->url.tls && !redis_url_is_local(&s->url))
		log_warning("warning: %s: passwords and conversations cross the network in the "
			    "clear; use "
			    "rediss:// or a tunnel",
			s->storage);
	return 0;
}

static int connect_pool(struct layout_store *s, const char *url,
	const struct store_options *options, struct errtext *error)
{
	int r = redis_url_parse(url, &s->url, error);
	if (r < 0)
		return r;
	snprintf(s->storage, sizeof(s->storage), "%s", s->url.shown);
	const struct redis_pool_options pool = {
		.timeout_ms = s->timeout_ms,
		.replicas = s->replicas,
		.tokens_key = s->tokens_key,
	};
	r = redis_pool_open(&s->url, &pool, &s->pool, error);
	return r < 0 ? r : look_at_server(s, options, error);
}

/* What is told from the watch's start on is in the queue: nothing is missed by this pass. */
static int first_sweep(struct layout_store *s)
{
	pthread_mutex_lock(&s->mutex);
	uint64_t ups = s->ups;
	pthread_mutex_unlock(&s->mutex);
	int r = layout_sweep(s);
	pthread_mutex_lock(&s->mutex);
	if (s->ups == ups)
		s->sweep_wanted = false;
	worker_mount_knows(s);
	bool up = s->up && r == 0;
	pthread_mutex_unlock(&s->mutex);
	if (up)
		layout_notify(s, NOTICE_UP, NULL, NULL);
	return r;
}

/* Finds the threads; from then on what changes is told. A peek looks once. */
static int begin(struct layout_store *s, bool once, struct errtext *error)
{
	const struct redis_watch_options watch = {
		.prefixes = (const char *const *)s->watched,
		.ping_ms = 2000,
		.on_key = worker_on_key,
		.on_state = worker_on_state,
		.on_tick = worker_on_tick,
		.arg = s,
	};
	int r = 0;
	if (!once) {
		worker_prepare(s);
		r = redis_watch_start(s->pool, &watch, &s->watch);
		if (r < 0)
			return errtext_set(error, r == -EINVAL ? -EIO : r,
				"%s does not tell what others change (%s): it must be Redis 6 or "
				"later, or Valkey, and its user may need what docs/chat-servers.md "
				"names",
				s->storage, strerror(-r));
	}
	r = first_sweep(s);
	if (r == 0 && !once)
		r = worker_start(s);
	return r < 0 ? errtext_set(error, r, "The keys of %s cannot be listed: %s", s->storage,
			       strerror(-r))
		     : 0;
}

static void say_begun(struct layout_store *s)
{
	pthread_mutex_lock(&s->mutex);
	uint64_t not_ours = s->not_ours;
	pthread_mutex_unlock(&s->mutex);
	if (not_ours)
		log_notice("%llu lists that match %s are not of layout %s; they are not shown",
			(unsigned long long)not_ours, s->match, s->layout->name);
}

static struct layout_store *layout_new(
	const struct layout *layout, const struct store_options *options)
{
	struct layout_store *s = calloc(1, sizeof(*s));
	pthread_condattr_t monotonic;
	if (!s)
		return NULL;
	s->store.ops = &layout_ops;
	s->layout = layout;
	s->read_only = options->read_only || options->peek;
	s->clock = options->clock;
	s->max_turns = options->server.max_turns;
	s->replicas = options->server.replicas;
	s->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 5000;
	s->on_notice = options->on_notice;
	s->arg = options->arg;
	s->server_read_ms = s->tidied_ms = s->claims_ms = clock_now_ms(clock_steady());
	s->last_revision = (uint64_t)clock_wall_ns() / 1000; /* goes on through restarts */
	pthread_mutex_init(&s->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return s;
}

int layout_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	const struct layout *layout = layout_find(options->server.layout);
	int r = check_options(layout, options, error);
	if (r < 0)
		return r;
	struct layout_store *s = layout_new(layout, options);
	if (!s)
		return errtext_set(error, -ENOMEM, "No memory left to open a store");
	r = make_names(s, &options->server);
	if (r < 0)
		errtext_set(error, r, "No memory left to open a store");
	if (r == 0)
		r = connect_pool(s, url, options, error);
	if (r == 0)
		r = begin(s, options->peek || (!options->on_notice && s->read_only), error);
	if (r < 0) {
		layout_free(s);
		return r;
	}
	say_begun(s);
	*ret = &s->store;
	return 0;
}
