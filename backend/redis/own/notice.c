/* What the server tells of others' changes, and which of it is news to the mount (F6). */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

enum { SERVER_EVERY_MS = 60 * 1000, CLAIMS_EVERY_MS = 10 * 1000, LOSS_EVERY_MS = 60 * 1000 };

void own_notice(struct own_store *s, const struct store_notice *notice)
{
	if (s->options.on_notice)
		s->options.on_notice(s->options.arg, notice);
}

/*
 * Each change by a mount is a message and then, at the end of the server's turn, one batch of the
 * keys it changed, each once. Keys of a batch that no message told of were changed by somebody
 * else: another program, or the server, which evicted them.
 */
static void told_add(struct own_store *s, uint64_t gen)
{
	if (s->heard.in_keys)
		s->heard.count = 0;
	s->heard.in_keys = false;
	for (size_t i = 0; i < s->heard.count; i++)
		if (s->heard.told[i].gen == gen)
			return;
	if (s->heard.count < sizeof(s->heard.told) / sizeof(*s->heard.told))
		s->heard.told[s->heard.count++] = (struct own_told){.gen = gen};
}

/* Whether a message told of this key. A key for the second time begins another batch. */
static bool told_key(struct own_store *s, uint64_t gen, int which)
{
	s->heard.in_keys = true;
	for (size_t i = 0; i < s->heard.count; i++) {
		struct own_told *told = &s->heard.told[i];
		if (told->gen != gen)
			continue;
		if (told->seen[which])
			s->heard.count = 0;
		else
			told->seen[which] = true;
		return s->heard.count > 0;
	}
	return false;
}

/* "PREFIX{ID}:GEN:WHAT" -> the generation, and which key it is; 0: none of a thread's. */
static uint64_t key_parse(const char *key, size_t size, int *ret_which)
{
	static const char *const kinds[] = {"names", "files"};
	const char *last = memrchr(key, ':', size);
	const char *before = last ? memrchr(key, ':', (size_t)(last - key)) : NULL;
	if (!before || before == key || before[-1] != '}')
		return 0;
	size_t length = size - (size_t)(last + 1 - key);
	for (int i = 0; i < 2; i++)
		if (strlen(kinds[i]) == length && !memcmp(last + 1, kinds[i], length)) {
			*ret_which = i;
			return strtoull(before + 1, NULL, 10);
		}
	return 0;
}

void own_on_key(void *arg, const char *key, size_t size)
{
	struct own_store *s = arg;
	int which;
	if (!key) {
		own_loss_check(s);
		own_notice(s, &(struct store_notice){.kind = NOTICE_LOST, .id = ""});
		return;
	}
	uint64_t gen = key_parse(key, size, &which);
	if (!gen) {
		size_t length = strlen(s->prefixes[0]);
		if (size < length || memcmp(key, s->prefixes[0], length) != 0)
			own_loss_check(s); /* the epoch */
	} else if (!told_key(s, gen, which)) {
		own_loss_look(s, gen);
	}
}

/* A batch comes together with its messages: what is heard from now on is of another one. */
void own_on_quiet(void *arg)
{
	struct own_store *s = arg;
	s->heard.count = 0;
}

static void tell_files(struct own_store *s, struct store_notice *notice, char *names)
{
	char *cursor = names;
	notice->kind = NOTICE_FILE;
	for (char *name; (name = strsep(&cursor, "\n"));) {
		notice->name = name;
		own_notice(s, notice);
	}
}

/* "WRITER KIND GEN\nID\nNAME\n…", as lua/write.lua's tell() has it. */
void own_on_message(void *arg, const char *data, size_t size)
{
	struct own_store *s = arg;
	CLEAN_FREE char *text = strndup(data, size);
	char kind, writer[33];
	unsigned long long gen;
	int end = -1;
	if (!text || sscanf(text, "%32s %c %llu%n", writer, &kind, &gen, &end) != 3 || end < 0 ||
		text[end] != '\n')
		return;
	if (gen)
		told_add(s, gen);
	if (!strcmp(writer, s->writer) && !own_is_unsure(s))
		return;
	char *id = text + end + 1, *names = strchr(id, '\n');
	if (names)
		*names++ = '\0';
	struct store_notice notice = {.kind = NOTICE_THREAD, .id = id, .gen = gen};
	if (kind == 'G')
		known_forget(&s->known, gen);
	if (kind == 'F' && names)
		tell_files(s, &notice, names);
	else
		own_notice(s, &notice);
}

void own_on_state(void *arg, bool up)
{
	struct own_store *s = arg;
	s->heard.count = 0;
	if (!up)
		atomic_store(&s->unsettled, true);
	else
		own_loss_check(s);
	own_notice(s, &(struct store_notice){.kind = up ? NOTICE_UP : NOTICE_DOWN, .id = ""});
}

static bool is_time(struct own_store *s, int64_t *last_ms, int64_t every_ms)
{
	int64_t now = clock_now_ms(clock_steady());
	pthread_mutex_lock(&s->lock);
	bool due = now - *last_ms >= every_ms;
	if (due)
		*last_ms = now;
	pthread_mutex_unlock(&s->lock);
	return due;
}

void own_on_tick(void *arg)
{
	struct own_store *s = arg;
	int down;
	redis_pool_tick(s->pool);
	if (!redis_pool_is_up(s->pool, &down))
		return;
	if (is_time(s, &s->claims_renewed_ms, CLAIMS_EVERY_MS)) {
		own_claims_renew(s);
		known_tidy(&s->known, own_now_ms(&s->store));
	}
	if (is_time(s, &s->server_read_ms, SERVER_EVERY_MS))
		own_server_look(s);
	if (is_time(s, &s->loss_checked_ms, LOSS_EVERY_MS))
		own_loss_check(s);
}
