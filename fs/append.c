/* Adding turns at the end of a thread. */
#include "append.h"

#include "announce.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "notify.h"

#include "base/log.h"
#include "base/name.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <utlist.h>

enum { RETRIES = 64 };

void append_owner(const struct thread *thread, const struct handle *handle, struct turn_new *turn)
{
	turn->mode = 0600 & thread->mode;
	turn->uid = handle->uid;
	turn->gid = thread->mode & S_ISGID ? thread->gid : handle->gid;
}

static struct thread_change change_now(struct fs *fs)
{
	int64_t now = fs_now_ns(fs);
	return (struct thread_change){.set = SET_MTIME | SET_DOC_MTIME,
		.time_ns = now,
		.mtime_ns = now,
		.doc.mtime_ns = now};
}

/*
 * The long way, for a thread whose document keeps metadata of turns to come, or in which files with
 * a turn's name are open that the store does not know yet: the numbers are chosen here, the next
 * free ones, and what is kept for them goes along in the same step.
 */
static int append_numbered(struct fs *fs, struct thread *thread, struct turn_new *turns,
	size_t count, uint32_t drafts, uint32_t taken, unsigned flags, struct thread_info *info,
	uint32_t *ret_first)
{
	struct doc_edit edit = {0};
	struct thread_change change = change_now(fs);
	struct change *puts = calloc(count, sizeof *puts);
	char(*names)[STORE_NAME_MAX + 1] = calloc(count, sizeof *names);
	struct blob **metas = calloc(count, sizeof *metas);
	int rc = puts && names && metas ? 0 : -ENOMEM;
	if (!rc)
		rc = store_thread_stat(fs->store, thread_ref(thread), info);
	if (!rc)
		rc = doc_edit_load(fs, thread, &edit);
	uint32_t first = rc ? 0 : (drafts > info->last_turn ? drafts : info->last_turn) + 1 + taken;
	if (!rc && first + count - 1 > STORE_TURN_MAX)
		rc = -EDQUOT;
	for (size_t i = 0; i < count && !rc; i++) {
		uint32_t number = first + (uint32_t)i;
		metas[i] = doc_take(&edit, number, turns[i].meta);
		name_turn_format(names[i], number, turns[i].role);
		puts[i] = (struct change){
			.kind = CHANGE_PUT,
			.name = names[i],
			.expect = STORE_REVISION_NONE,
			.ino = turns[i].ino,
			.mode = turns[i].mode,
			.uid = turns[i].uid,
			.gid = turns[i].gid,
			.mtime_ns = turns[i].mtime_ns,
			.meta = metas[i],
			.content = turns[i].content,
		};
	}
	if (!rc)
		rc = doc_edit_into(&edit, &change);
	if (!rc)
		rc = store_apply(fs->store, thread_ref(thread), &change, puts, count, flags, info);
	if (!rc)
		*ret_first = first;
	for (size_t i = 0; i < count && !rc; i++) {
		turns[i].ret_revision = puts[i].ret_revision;
		turns[i].ino = puts[i].ino;
	}
	for (size_t i = 0; i < count && metas; i++)
		blob_unref(metas[i]);
	doc_edit_done(&edit);
	free(puts);
	free(names);
	free(metas);
	return rc;
}

/* A number being picked, with the files in mind that were open when it began. */
struct append_call {
	struct append_call *prev, *next;
	uint64_t number;
};

static uint32_t append_begin(struct fs *fs, struct thread *thread, struct append_call *call)
{
	fs_lock(fs);
	call->number = ++thread->appends_begun;
	DL_APPEND(thread->appends, call);
	uint32_t drafts = file_highest_draft(thread);
	fs_unlock(fs);
	return drafts;
}

static void append_end(struct fs *fs, struct thread *thread, struct append_call *call)
{
	fs_lock(fs);
	DL_DELETE(thread->appends, call);
	thread->appends_ended++;
	pthread_cond_broadcast(&fs->idle);
	fs_unlock(fs);
}

uint64_t append_mark(const struct thread *thread)
{
	return thread->appends_ended;
}

bool append_settle(struct fs *fs, struct thread *thread, uint64_t mark)
{
	uint64_t last = thread->appends_begun;
	while (thread->appends && thread->appends->number <= last)
		pthread_cond_wait(&fs->idle, &fs->lock);
	return thread->appends_ended != mark;
}

/* `taken`: how many numbers behind the last one others have claimed, as it turned out. */
static int append_once(struct fs *fs, struct thread *thread, struct turn_new *turns, size_t count,
	uint32_t taken, unsigned flags, struct thread_info *info, uint32_t *ret_first)
{
	struct append_call call;
	uint32_t drafts = append_begin(fs, thread, &call);
	struct thread_change change = change_now(fs);
	int rc = thread->doc_flags || drafts ? append_numbered(fs, thread, turns, count, drafts,
						       taken, flags, info, ret_first)
					     : store_append(fs->store, thread_ref(thread), &change,
						       turns, count, flags, info, ret_first);
	append_end(fs, thread, &call);
	return rc;
}

int append_turns(struct fs *fs, struct thread *thread, struct turn_new *turns, size_t count,
	bool durable, uint32_t *ret_first)
{
	int64_t now = fs_now_ns(fs);
	for (size_t i = 0; i < count; i++) {
		int rc = fs_ino_new(fs, &turns[i].ino);
		if (rc < 0)
			return rc;
		if (turns[i].mtime_ns == APPEND_NOW)
			turns[i].mtime_ns = now;
	}
	unsigned flags =
		STORE_RENEW | STORE_REVIVE | fs_durable(fs) | (durable ? STORE_DURABLE : 0);
	struct thread_info info;
	int rc = -ESTALE;
	uint32_t taken = 0;
	for (int i = 0; i < RETRIES && (rc == -ESTALE || rc == -EEXIST); i++) {
		rc = append_once(fs, thread, turns, count, taken, flags, &info, ret_first);
		taken = rc == -EEXIST ? taken + 1 : 0;
	}
	fs_commit_ended(fs, rc);
	expiry_refused(fs, thread, rc, "a turn");
	if (rc < 0)
		return rc;
	metric_add(&fs->metrics, METRIC_TURNS_APPENDED, count);
	expiry_committed(fs, thread, &info, 0);
	fs_lock(fs);
	announce_own(thread, *ret_first, (uint32_t)count);
	fs_unlock(fs);
	for (size_t i = 0; i < count && (info.doc.flags & DOC_PENDING); i++)
		doc_settle(fs, thread, *ret_first + (uint32_t)i);
	notify_inode(fs, &thread->node, true);
	for (size_t i = 0; i < count; i++) {
		char name[STORE_NAME_MAX + 1];
		name_turn_format(name, *ret_first + (uint32_t)i, turns[i].role);
		announce_turn(fs, thread, name);
	}
	return 0;
}
