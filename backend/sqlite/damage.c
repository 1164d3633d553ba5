/* Rows that do not verify: each is logged once, however often it is read. */
#include "base/log.h"
#include "inside.h"
#include "row.h"

#include <errno.h>
#include <string.h>

/* Whether it is met for the first time; then it is counted. */
static bool damage_is_new(struct sqlite_store *s, uint64_t gen, const char *name)
{
	uint64_t key = row_sum(name ? name : "", name ? strlen(name) : 0, gen);
	bool is_new = true;

	pthread_mutex_lock(&s->damage.lock);
	for (size_t i = 0; is_new && i < s->damage.count && i < DAMAGE_MAX; i++)
		is_new = s->damage.known[i] != key;
	/* Beyond the first thousand they are no longer told apart, and no longer logged. */
	if (s->damage.count >= DAMAGE_MAX)
		is_new = false;
	if (is_new)
		s->damage.known[s->damage.count++] = key;
	pthread_mutex_unlock(&s->damage.lock);
	return is_new;
}

int damage_found(struct sqlite_store *s, const char *id, uint64_t gen, const char *name)
{
	if (damage_is_new(s, gen, name))
		log_error("local store: thread %s (number %llu)%s%s is damaged: its checksum does "
			  "not match",
			id && *id ? id : "?", (unsigned long long)gen, name ? ", " : "",
			name ? name : "");
	return -EIO;
}

uint64_t damage_count(struct sqlite_store *s)
{
	pthread_mutex_lock(&s->damage.lock);
	uint64_t count = s->damage.count;

	pthread_mutex_unlock(&s->damage.lock);
	return count;
}
