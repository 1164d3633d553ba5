/* Names claimed for files about to be made: leases in the store, kept up while the mount lives. */
#include "inside.h"

#include "base/log.h"
#include "base/name.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

static const struct redis_script script_claim = {"claim", SCRIPT_WRITES, lua_claim};
static const struct redis_script script_unclaim = {"unclaim", SCRIPT_WRITES, lua_unclaim};
static const struct redis_script script_renew = {"renew_claims", SCRIPT_WRITES, lua_renew_claims};

static struct own_claim *claim_find(struct own_store *s, uint64_t gen, const char *name)
{
	struct own_claim *claim;
	DL_FOREACH(s->claims, claim)
	if (claim->gen == gen && !strcmp(claim->name, name))
		return claim;
	return NULL;
}

int own_claim(struct store *store, struct thread_ref ref, const char *name)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	if (name_file_check(name) < 0)
		return -EINVAL;
	struct own_claim *claim = calloc(1, sizeof(*claim));
	if (!claim)
		return -ENOMEM;
	claim->gen = ref.gen;
	memcpy(claim->name, name, strlen(name) + 1);
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, 0, 0);
	redis_args_add(&call.args, name);
	redis_args_add_number(&call.args, OWN_LEASE_MS);
	int rc = own_write(s, &script_claim, &call, false, ref.id);
	if (rc < 0) {
		free(claim);
		return rc;
	}
	pthread_mutex_lock(&s->lock);
	DL_APPEND(s->claims, claim);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void own_unclaim(struct store *store, struct thread_ref ref, const char *name)
{
	struct own_store *s = (struct own_store *)store;
	struct own_call call CLEAN_CALL = {0};
	pthread_mutex_lock(&s->lock);
	struct own_claim *claim = claim_find(s, ref.gen, name);
	if (claim)
		DL_DELETE(s->claims, claim);
	pthread_mutex_unlock(&s->lock);
	if (!claim)
		return;
	free(claim);
	own_write_begin(s, &call, ref.gen, s->options.grace_ms, 0, 0);
	redis_args_add(&call.args, name);
	if (own_write(s, &script_unclaim, &call, false, ref.id) < 0)
		log_debug("thread %s: a claimed name stays so until its lease is over", ref.id);
}

/* The claims behind the first `at`; how many it was. */
static size_t renew_some(struct own_store *s, size_t at)
{
	struct own_call call CLEAN_CALL = {0};
	struct own_claim *claim;
	char names[64][STORE_NAME_MAX + 1]; /* the words are borrowed, the list may change */
	size_t count = 0, i = 0;
	own_write_begin(s, &call, 0, s->options.grace_ms, 0, 0);
	redis_args_add_number(&call.args, OWN_LEASE_MS);
	pthread_mutex_lock(&s->lock);
	DL_FOREACH(s->claims, claim)
	{
		if (i++ < at)
			continue;
		if (count == sizeof(names) / sizeof(*names))
			break;
		memcpy(names[count], claim->name, sizeof(names[count]));
		redis_args_add_unsigned(&call.args, claim->gen);
		redis_args_add(&call.args, names[count++]);
	}
	pthread_mutex_unlock(&s->lock);
	if (count > 0 && own_write(s, &script_renew, &call, false, "") < 0) {
		log_debug("the leases of claimed names could not be kept up");
		return 0;
	}
	return count;
}

void own_claims_renew(struct own_store *s)
{
	size_t some, at = 0;
	while ((some = renew_some(s, at)) > 0)
		at += some;
}

void own_claims_drop(struct own_store *s)
{
	while (s->claims) {
		struct own_claim claim = *s->claims;
		own_unclaim(&s->store, (struct thread_ref){"", claim.gen}, claim.name);
	}
}
