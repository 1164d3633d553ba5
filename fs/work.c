/* The pool: threads are made when there is work and none is free, up to WORKERS. */
#include "work.h"

#include "base/log.h"

#include <signal.h>

static void *worker(void *arg)
{
	struct work_pool *pool = arg;
	struct fs *fs = pool->fs;
	pthread_mutex_lock(&fs->lock);
	for (;;) {
		while (!pool->first && !pool->stopping) {
			pool->waiting++;
			pthread_cond_wait(&pool->more, &fs->lock);
			pool->waiting--;
		}
		struct work *work = pool->first;
		if (!work)
			break;
		pool->first = work->next;
		if (!pool->first)
			pool->last = &pool->first;
		pool->queued--;
		pthread_mutex_unlock(&fs->lock);
		work->run(fs, work);
		pthread_mutex_lock(&fs->lock);
	}
	pool->threads--;
	pthread_cond_signal(&pool->done);
	pthread_mutex_unlock(&fs->lock);
	return NULL;
}

/* fs->lock is held. */
static int worker_start(struct work_pool *pool)
{
	sigset_t all, old;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&thread, NULL, worker, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return -rc;
	pthread_detach(thread);
	pool->threads++;
	return 0;
}

static int pool_init(struct work_pool *pool, struct fs *fs)
{
	pool->fs = fs;
	pool->last = &pool->first;
	pthread_cond_init(&pool->more, NULL);
	pthread_cond_init(&pool->done, NULL);
	pthread_mutex_lock(&fs->lock);
	int rc = worker_start(pool);
	pthread_mutex_unlock(&fs->lock);
	return rc;
}

int work_init(struct fs *fs)
{
	int rc = pool_init(&fs->commits, fs);
	return rc < 0 ? rc : pool_init(&fs->names, fs);
}

/* fs->lock is held. */
static void pool_submit(struct work_pool *pool, struct work *work)
{
	work->next = NULL;
	*pool->last = work;
	pool->last = &work->next;
	pool->queued++;
	unsigned most = pool->fs->store->ops->shared ? WORKERS_SERVER : WORKERS;
	if (pool->queued > pool->waiting && pool->threads < most) {
		int rc = worker_start(pool);
		if (rc < 0)
			log_debug("cannot start another thread: error %d; the others go on", -rc);
	}
	pthread_cond_signal(&pool->more);
}

void work_submit_locked(struct fs *fs, struct work *work)
{
	pool_submit(&fs->commits, work);
}

void work_submit(struct fs *fs, struct work *work)
{
	pthread_mutex_lock(&fs->lock);
	pool_submit(&fs->commits, work);
	pthread_mutex_unlock(&fs->lock);
}

void work_submit_names(struct fs *fs, struct work *work)
{
	pthread_mutex_lock(&fs->lock);
	pool_submit(&fs->names, work);
	pthread_mutex_unlock(&fs->lock);
}

static void pool_done(struct work_pool *pool)
{
	if (!pool->fs)
		return;
	pthread_mutex_lock(&pool->fs->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->more);
	while (pool->threads)
		pthread_cond_wait(&pool->done, &pool->fs->lock);
	pthread_mutex_unlock(&pool->fs->lock);
	pthread_cond_destroy(&pool->more);
	pthread_cond_destroy(&pool->done);
}

void work_done(struct fs *fs)
{
	pool_done(&fs->names);
	pool_done(&fs->commits);
}
