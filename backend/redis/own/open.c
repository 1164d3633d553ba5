/* Opening and closing the own layout's store in Redis, and its table of operations. */
#include "own_store.h"

#include "inside.h"
#include "rules.h"

#include "base/log.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int64_t own_now_ms(struct store *store)
{
	struct own_store *s = (struct own_store *)store;
	if (s->clock)
		return clock_now_ms(s->clock);
	return redis_pool_now_ms(s->pool);
}

/* Nothing of ours is under way any more: nobody will ask for its outcome. */
static void drop_tokens(struct own_store *s)
{
	struct own_call call CLEAN_CALL = {0};
	redis_args_add(&call.args, "DEL");
	redis_args_add(&call.args, s->tokens_key);
	if (redis_read(s->pool, &call.args, "", &call.reply) < 0)
		log_debug("%s: the tokens stay until they expire", s->storage);
}

/* A server that is away is not waited for: claims and tokens end by themselves. */
static void leave(struct own_store *s)
{
	bool up = redis_pool_is_up(s->pool, NULL);
	if (!up)
		redis_pool_shutdown(s->pool);
	redis_watch_stop(s->watch);
	if (up && !s->options.read_only && !s->options.peek) {
		own_claims_drop(s);
		drop_tokens(s);
	}
}

static void own_free(struct own_store *s)
{
	if (s->pool)
		leave(s);
	memo_keep(s);
	free(s->memo);
	redis_pool_close(s->pool);
	redis_url_done(&s->url);
	known_done(&s->known);
	pthread_mutex_destroy(&s->lock);
	free(s->prefix);
	free(s->tokens_key);
	free(s->channel);
	free((char *)s->prefixes[0]);
	free((char *)s->prefixes[1]);
	free(s);
}

static void own_close(struct store *store)
{
	own_free((struct own_store *)store);
}

static const struct store_ops own_ops = {
	.name = "redis",
	.shared = true,
	.close = own_close,
	.now_ms = own_now_ms,
	.reserve = own_reserve,
	.root_get = own_root_get,
	.root_set = own_root_set,
	.thread_find = own_thread_find,
	.thread_stat = own_thread_stat,
	.thread_list = own_thread_list,
	.thread_create = own_thread_create,
	.thread_rename = own_thread_rename,
	.thread_remove = own_thread_remove,
	.doc_read = own_doc_read,
	.file_stat = own_file_stat,
	.turn_stat = own_turn_stat,
	.file_list = own_file_list,
	.file_read = own_file_read,
	.apply = own_apply,
	.move = own_move,
	.append = own_append,
	.sync = own_sync,
	.claim = own_claim,
	.unclaim = own_unclaim,
	.purge = own_purge,
	.ledger_add = own_ledger_add,
	.ledger_list = own_ledger_list,
	.lost_next = rules_lost_none,
	.usage = own_usage,
	.health = own_health,
	.check = own_check,
};

/* Braces would be taken for a hash tag; the rest is a matter of reading logs. */
static int check_prefix(const char *prefix, struct errtext *error)
{
	if (!*prefix || strlen(prefix) > 128 || strpbrk(prefix, "{}*?[]\\ \n") ||
		!utf8_valid(prefix, strlen(prefix)))
		return errtext_set(error, -EINVAL,
			"The prefix '%s' cannot begin keys: take letters, digits and colons, as in "
			"prefix=turnfs:",
			prefix);
	return 0;
}

static int make_names(struct own_store *s)
{
	const char *prefix = s->options.server.prefix ? s->options.server.prefix : "turnfs:";
	unsigned char random[16];
	char *tracked = NULL, *epoch = NULL;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(s->writer + 2 * i, 3, "%02x", random[i]);
	s->prefix = strdup(prefix);
	if (!s->prefix || asprintf(&s->tokens_key, "%stokens:%s", prefix, s->writer) < 0 ||
		asprintf(&s->channel, "%schanges", prefix) < 0 ||
		asprintf(&tracked, "%s{", prefix) < 0)
		return -ENOMEM;
	s->prefixes[0] = tracked;
	if (asprintf(&epoch, "%sepoch", prefix) < 0)
		return -ENOMEM;
	s->prefixes[1] = epoch;
	return 0;
}

/* R6, S4: what must be known of the server before it is written to. */
static int look_at_server(struct own_store *s, struct errtext *error)
{
	int rc = redis_server_read(s->pool, s->options.server.replicas, &s->server);
	if (rc < 0)
		return errtext_set(error, rc, "%s cannot be asked how durable it is: %s",
			s->storage, strerror(-rc));
	redis_pool_facts(s->pool, &s->facts);
	bool reads = s->options.read_only || s->options.peek;
	rc = redis_server_check(
		&s->server, &s->facts, reads, s->options.server.allow_eviction, error);
	if (rc < 0 || s->options.peek)
		return rc;
	if (s->server.problem[0])
		log_warning("warning: %s: %s", s->storage, s->server.problem);
	if (!s->url.tls && !redis_url_is_local(&s->url))
		log_warning("warning: %s: passwords and conversations cross the network in the "
			    "clear; use "
			    "rediss:// or a tunnel",
			s->storage);
	return 0;
}

static int start_watch(struct own_store *s, struct errtext *error)
{
	if (s->options.peek || (!s->options.on_notice && s->options.read_only))
		return 0;
	const struct redis_watch_options options = {
		.prefixes = s->prefixes,
		.channel = s->channel,
		.ping_ms = 2000,
		.on_key = own_on_key,
		.on_message = own_on_message,
		.on_quiet = own_on_quiet,
		.on_state = own_on_state,
		.on_tick = own_on_tick,
		.arg = s,
	};
	int rc = redis_watch_start(s->pool, &options, &s->watch);
	return rc < 0 ? errtext_set(error, rc == -EINVAL ? -EIO : rc,
				"%s does not tell what others change (%s): it must be Redis 6 or "
				"later, or Valkey, and its user may need what docs/redis-schema.md "
				"names",
				s->storage, strerror(-rc))
		      : 0;
}

static int connect_store(struct own_store *s, const char *url, struct errtext *error)
{
	int rc = redis_url_parse(url, &s->url, error);
	if (rc < 0)
		return rc;
	snprintf(s->storage, sizeof(s->storage), "%s", s->url.shown);
	const struct redis_pool_options pool = {
		.timeout_ms = s->options.timeout_ms > 0 ? s->options.timeout_ms : 5000,
		.replicas = s->options.server.replicas,
		.tokens_key = s->tokens_key,
	};
	rc = redis_pool_open(&s->url, &pool, &s->pool, error);
	if (rc == 0)
		rc = look_at_server(s, error);
	if (rc == 0)
		rc = own_epoch_begin(s, error);
	return rc < 0 ? rc : start_watch(s, error);
}

/* The server's clock decides (T11), but for tests that move time. */
static struct clock *clock_of(const struct store_options *options)
{
#ifdef TURNFS_TEST_HOOKS
	if (!options->clock && getenv("TURNFS_TEST_CLOCK_FILE"))
		return clock_steady();
#endif
	return options->clock;
}

int own_store_open(const char *url, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	if (options->server.prefix && check_prefix(options->server.prefix, error) < 0)
		return -EINVAL;
	struct own_store *s = calloc(1, sizeof(*s));
	if (!s)
		return errtext_set(error, -ENOMEM, "No memory left to open a store");
	s->store.ops = &own_ops;
	s->options = *options;
	s->clock = clock_of(options);
	s->server_read_ms = s->claims_renewed_ms = s->loss_checked_ms =
		clock_now_ms(clock_steady());
	pthread_mutex_init(&s->lock, NULL);
	known_init(&s->known);
	int rc = make_names(s);
	if (rc < 0)
		errtext_set(error, rc, "No memory left to open a store");
	else
		rc = connect_store(s, url, error);
	if (rc < 0) {
		own_free(s);
		return rc;
	}
	s->options.server.prefix = s->options.server.layout = s->options.server.match = NULL;
	*ret = &s->store;
	return 0;
}
