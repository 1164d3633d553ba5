/*
 * What this machine remembers of a store in Redis from one mount to the next: its epoch, and the
 * highest revision and number it has seen. A server that was flushed or went back in time does not
 * remember it.
 */
#include "inside.h"

#include "base/log.h"
#include "base/state.h"

#include <inttypes.h>
#include <string.h>

void memo_open(struct own_store *s)
{
	CLEAN_FREE char *key = NULL;
	if (!s->options.peek && asprintf(&key, "%s %s", s->url.shown, s->prefix) >= 0)
		s->memo = state_path("redis", key, "seen");
}

bool memo_read(struct own_store *s, char epoch[33], uint64_t *ret_revision, uint64_t *ret_number)
{
	char text[128];
	return s->memo && state_read(s->memo, text, sizeof(text)) == 0 &&
	       sscanf(text, "%32s %" SCNu64 " %" SCNu64, epoch, ret_revision, ret_number) == 3;
}

void memo_keep(struct own_store *s)
{
	char text[128];
	pthread_mutex_lock(&s->lock);
	bool news = s->memo && s->epoch[0] && s->revision_seen != s->memo_revision;
	s->memo_revision = s->revision_seen;
	snprintf(text, sizeof(text), "%s %" PRIu64 " %" PRIu64 "\n", s->epoch, s->revision_seen,
		s->number_seen);
	pthread_mutex_unlock(&s->lock);
	if (news && state_write(s->memo, text) < 0)
		log_debug("%s: what was seen of it could not be remembered", s->storage);
}
