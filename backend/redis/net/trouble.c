/* What is logged of the server's errors: each kind once a minute and thread, never an argument. */
#include "inside.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

enum { AGAIN_MS = 60000 };

/* FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_add(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

bool trouble_is_new(struct redis_pool *pool, const char *kind, const char *about)
{
	uint64_t what = hash_add(hash_add(UINT64_C(0xcbf29ce484222325), kind), about);
	int64_t now_ms = wait_now_ms();
	struct trouble *oldest = pool->troubles;
	bool is_new = true;

	pthread_mutex_lock(&pool->lock);
	for (size_t i = 0; i < TROUBLES_MAX; i++) {
		struct trouble *t = &pool->troubles[i];
		if (t->what == what && t->logged_ms && now_ms - t->logged_ms < AGAIN_MS)
			is_new = false;
		if (t->logged_ms < oldest->logged_ms)
			oldest = t;
	}
	if (is_new)
		*oldest = (struct trouble){.what = what, .logged_ms = now_ms};
	pthread_mutex_unlock(&pool->lock);
	return is_new;
}
