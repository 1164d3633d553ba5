/* The pool: threads are made when there is work and none is free, up to WORKERS. */
#include "work.h"

#include "base/log.h"

#include <signal.h>

static void *worker(void *arg)
{
	struct fs *fs = arg;
	pthread_mutex_lock(&fs->lock);
	for (;;) {
		while (!fs->work.first && !fs->work.stopping) {
			fs->work.waiting++;
			pthread_cond_wait(&fs->work.more, &fs->lock);
			fs->work.waiting--;
		}
		struct work *work = fs->work.first;
		if (!work)
			break;
		fs->work.first = work->next;
		if (!fs->work.first)
			fs->work.last = &fs->work.first;
		fs->work.queued--;
		pthread_mutex_unlock(&fs->lock);
		work->run(fs, work);
		pthread_mutex_lock(&fs->lock);
	}
	fs->work.threads--;
	pthread_cond_signal(&fs->work.done);
	pthread_mutex_unlock(&fs->lock);
	return NULL;
}

/* fs->lock is held. */
static int worker_start(struct fs *fs)
{
	sigset_t all, old;
	pthread_t thread;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&thread, NULL, worker, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return -rc;
	pthread_detach(thread);
	fs->work.threads++;
	return 0;
}

int work_init(struct fs *fs)
{
	fs->work.last = &fs->work.first;
	pthread_cond_init(&fs->work.more, NULL);
	pthread_cond_init(&fs->work.done, NULL);
	pthread_mutex_lock(&fs->lock);
	int rc = worker_start(fs);
	pthread_mutex_unlock(&fs->lock);
	return rc;
}

void work_submit(struct fs *fs, struct work *work)
{
	work->next = NULL;
	pthread_mutex_lock(&fs->lock);
	*fs->work.last = work;
	fs->work.last = &work->next;
	fs->work.queued++;
	if (fs->work.queued > fs->work.waiting && fs->work.threads < WORKERS) {
		int rc = worker_start(fs);
		if (rc < 0)
			log_debug("cannot start another thread: error %d; the others go on", -rc);
	}
	pthread_cond_signal(&fs->work.more);
	pthread_mutex_unlock(&fs->lock);
}

void work_done(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
	fs->work.stopping = true;
	pthread_cond_broadcast(&fs->work.more);
	while (fs->work.threads)
		pthread_cond_wait(&fs->work.done, &fs->lock);
	pthread_mutex_unlock(&fs->lock);
	pthread_cond_destroy(&fs->work.more);
	pthread_cond_destroy(&fs->work.done);
}
