/* Texts that lost against another mount's, kept as attachments. */
#include "conflict.h"

#include "expiry.h"
#include "notify.h"

#include "base/log.h"

#include <string.h>
#include <time.h>

enum { TRIES = 100 };

/* NAME.conflict-20261126T190501Z, with "-2" and so on behind it; a long NAME is cut. */
static void name_make(char *ret, const char *name, int number)
{
	char time_text[32], end[64];
	time_t now = (time_t)(clock_wall_ns() / 1000000000);
	struct tm utc;
	gmtime_r(&now, &utc);
	strftime(time_text, sizeof time_text, "%Y%m%dT%H%M%SZ", &utc);
	int size = snprintf(end, sizeof end, number > 1 ? ".conflict-%s-%d" : ".conflict-%s",
		time_text, number);
	size_t kept = strlen(name);
	if (kept > (size_t)(STORE_NAME_MAX - size))
		kept = (size_t)(STORE_NAME_MAX - size);
	while (kept && ((unsigned char)name[kept] & 0xc0) == 0x80)
		kept--; /* not in the middle of a character */
	snprintf(ret, STORE_NAME_MAX + 1, "%.*s%s", (int)kept, name, end);
}

static int keep(struct fs *fs, struct thread *thread, const char *name,
	const struct file_info *info, struct blob *content, struct thread_info *ret)
{
	uint64_t ino;
	int rc = fs_ino_new(fs, &ino);
	if (rc < 0)
		return rc;
	int64_t now = fs_now_ns(fs);
	struct thread_change thread_change = {.set = SET_MTIME | SET_DOC_MTIME,
		.time_ns = now,
		.mtime_ns = now,
		.doc.mtime_ns = now};
	struct change put = {.kind = CHANGE_PUT,
		.name = name,
		.expect = STORE_REVISION_NONE,
		.ino = ino,
		.mode = info->mode,
		.uid = info->uid,
		.gid = info->gid,
		.mtime_ns = now,
		.meta = info->meta,
		.content = content};
	return store_apply(fs->store, thread_ref(thread), &thread_change, &put, 1,
		STORE_RENEW | STORE_REVIVE | fs_durable(fs), ret);
}

void conflict_keep(struct fs *fs, struct thread *thread, const char *name,
	const struct file_info *info, struct blob *content)
{
	char kept[STORE_NAME_MAX + 1];
	struct thread_info now;
	int rc = -EEXIST;
	if (!fs->store->ops->shared || !blob_size(content))
		return;
	for (int i = 1; i <= TRIES && rc == -EEXIST; i++) {
		name_make(kept, name, i);
		rc = keep(fs, thread, kept, info, content, &now);
	}
	if (rc < 0) {
		log_error("thread %s: %s was changed on another mount meanwhile, and what was "
			  "written here cannot be kept beside it: error %d",
			thread->id->text, name, -rc);
		return;
	}
	log_warning("thread %s: %s was changed on another mount meanwhile; what was written here "
		    "is kept as %s",
		thread->id->text, name, kept);
	expiry_committed(fs, thread, &now, 0);
	if (!fs->ending)
		notify_inode(fs, &thread->node, true);
}
