/* The threads that this handle has seen live; see known.h. */
#include "known.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(thread) ((thread)->unhashed = true)
#include <uthash.h>

struct known_thread {
	uint64_t gen;
	int64_t ttl_ms, deadline_ms;
	uint32_t turns, files;
	bool unhashed;
	UT_hash_handle hh;
	char id[];
};

void known_init(struct known *known)
{
	*known = (struct known){0};
	pthread_mutex_init(&known->lock, NULL);
}

static void free_all(struct known_thread **threads)
{
	struct known_thread *thread, *next;
	HASH_ITER (hh, *threads, thread, next) {
		HASH_DEL(*threads, thread);
		free(thread);
	}
}

void known_done(struct known *known)
{
	free_all(&known->threads);
	free_all(&known->lost);
	pthread_mutex_destroy(&known->lock);
}

static struct known_thread *find(struct known *known, uint64_t gen)
{
	struct known_thread *thread;
	HASH_FIND(hh, known->threads, &gen, sizeof(gen), thread);
	return thread;
}

static void take_out(struct known *known, struct known_thread *thread)
{
	HASH_DEL(known->threads, thread);
	known->files -= thread->files;
}

static void drop(struct known *known, struct known_thread *thread)
{
	if (thread)
		take_out(known, thread);
	free(thread);
}

static struct known_thread *add(struct known *known, const struct thread_info *info)
{
	size_t size = strlen(info->id) + 1;
	struct known_thread *thread = calloc(1, sizeof(*thread) + size);
	if (!thread)
		return NULL;
	thread->gen = info->gen;
	memcpy(thread->id, info->id, size);
	HASH_ADD(hh, known->threads, gen, sizeof(thread->gen), thread);
	if (thread->unhashed) {
		free(thread);
		return NULL;
	}
	return thread;
}

void known_seen(struct known *known, const struct thread_info *info)
{
	struct known_thread *lost;
	pthread_mutex_lock(&known->lock);
	HASH_FIND(hh, known->lost, info->id, strlen(info->id), lost);
	struct known_thread *thread = find(known, info->gen);
	if (lost && lost->gen == info->gen) { /* its row alone may be left: it is lost once */
		pthread_mutex_unlock(&known->lock);
		return;
	}
	if (thread && strcmp(thread->id, info->id) != 0) {
		drop(known, thread);
		thread = NULL;
	}
	if (!thread)
		thread = add(known, info);
	if (thread) {
		thread->ttl_ms = info->ttl_ms;
		thread->deadline_ms = info->deadline_ms;
		thread->turns = info->turns;
		known->files += info->files;
		known->files -= thread->files;
		thread->files = info->files;
	}
	pthread_mutex_unlock(&known->lock);
}

void known_forget(struct known *known, uint64_t gen)
{
	pthread_mutex_lock(&known->lock);
	drop(known, find(known, gen));
	pthread_mutex_unlock(&known->lock);
}

static void tell(const struct known_thread *thread, struct thread_info *ret)
{
	*ret = (struct thread_info){
		.gen = thread->gen,
		.ttl_ms = thread->ttl_ms,
		.deadline_ms = thread->deadline_ms,
		.turns = thread->turns,
	};
	memcpy(ret->id, thread->id, strlen(thread->id) + 1);
}

bool known_get(struct known *known, uint64_t gen, struct thread_info *ret)
{
	pthread_mutex_lock(&known->lock);
	const struct known_thread *thread = find(known, gen);
	if (thread)
		tell(thread, ret);
	pthread_mutex_unlock(&known->lock);
	return thread;
}

size_t known_page(struct known *known, size_t after, size_t limit, uint64_t *ret)
{
	size_t at = 0, count = 0;
	pthread_mutex_lock(&known->lock);
	for (const struct known_thread *t = known->threads; t && count < limit; t = t->hh.next)
		if (at++ >= after)
			ret[count++] = t->gen;
	pthread_mutex_unlock(&known->lock);
	return count;
}

bool known_lose(struct known *known, uint64_t gen, struct thread_info *ret)
{
	struct known_thread *before = NULL;
	pthread_mutex_lock(&known->lock);
	struct known_thread *thread = find(known, gen);
	if (thread) {
		tell(thread, ret);
		take_out(known, thread);
		HASH_REPLACE(hh, known->lost, id[0], strlen(thread->id), thread, before);
		free(before);
	}
	pthread_mutex_unlock(&known->lock);
	return thread;
}

bool known_is_lost(struct known *known, const char *id, int64_t now_ms)
{
	struct known_thread *thread;
	pthread_mutex_lock(&known->lock);
	HASH_FIND(hh, known->lost, id, strlen(id), thread);
	bool lost = thread && thread->deadline_ms > now_ms;
	pthread_mutex_unlock(&known->lock);
	return lost;
}

void known_tidy(struct known *known, int64_t now_ms)
{
	struct known_thread *thread, *next;
	pthread_mutex_lock(&known->lock);
	HASH_ITER (hh, known->threads, thread, next)
		if (thread->deadline_ms <= now_ms)
			drop(known, thread);
	HASH_ITER (hh, known->lost, thread, next) {
		if (thread->deadline_ms > now_ms)
			continue;
		HASH_DEL(known->lost, thread);
		free(thread);
	}
	pthread_mutex_unlock(&known->lock);
}

uint64_t known_files(struct known *known)
{
	pthread_mutex_lock(&known->lock);
	uint64_t files = known->files;
	pthread_mutex_unlock(&known->lock);
	return files;
}
