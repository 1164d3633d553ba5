/*
 * The -wal file. SQLite writes every commit to its end and starts over from its beginning when all
 * was copied into the store. Two things are done about it here.
 *
 * LENGTH. An fdatasync after writing past a file's end must also commit the new length: about twice
 * the cost. So the file is filled with zeros up to WAL_GROW_BYTES, which SQLite reads as "no
 * frame", and is never cut short while the store is open, unless it grew far beyond that (our VFS
 * lets no truncation by SQLite through: see wipe.c).
 *
 * OVERWRITING IT. What is written between two syncs may reach the disk in any order: of zeros over
 * a journal that is done with, those over its first frames may come last, and after a power cut
 * these frames would cover newer pages of the store. So its header goes first, alone, and is
 * synced: without one no frame counts. Growing needs no such order: it only writes where no frame
 * ever was.
 */
#include "commit.h"

#include "base/log.h"
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	WAL_HEADER = 32, /* bytes */
	WAL_CHECKPOINT_FRAMES = 1000, /* about 4 MB */
};

int wal_guard(struct sqlite_store *s)
{
	const char *db = sqlite3_db_filename(s->committer.conn->db, "main");

	s->committer.guard = guard_find(sqlite3_filename_wal(db));
	if (!s->committer.guard)
		return -ENOMEM;
	guard_mend(s->committer.guard); /* what an earlier store of this process left */
	return 0;
}

int wal_open(struct sqlite_store *s)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s-wal", s->path);
	s->committer.wal_fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (s->committer.wal_fd >= 0)
		s->committer.db_fd = open(s->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return s->committer.db_fd < 0 ? -errno : 0;
}

/* How long it is made: of a small disk half is left for the store's own file. */
static off_t wal_goal(int fd, off_t size)
{
	struct statvfs disk;

	if (fstatvfs(fd, &disk) < 0)
		return WAL_GROW_BYTES;
	uint64_t half = (uint64_t)disk.f_bavail * disk.f_frsize / 2;

	return half < (uint64_t)WAL_GROW_BYTES ? size + (off_t)half : WAL_GROW_BYTES;
}

/* Fills the file up; only the leader may. Without it commits are only slower: errors do not count.
 */
void wal_grow(struct sqlite_store *s)
{
	static const char zeros[64 << 10];
	struct stat st;

	if (fstat(s->committer.wal_fd, &st) < 0)
		return;
	off_t goal = wal_goal(s->committer.wal_fd, st.st_size);
	if (goal > WAL_GROW_BYTES)
		goal = WAL_GROW_BYTES;
	for (off_t at = st.st_size; at < goal;) {
		size_t size = sizeof(zeros);

		if ((off_t)size > goal - at)
			size = (size_t)(goal - at);
		ssize_t n = pwrite(s->committer.wal_fd, zeros, size, at);
		if (n <= 0)
			break;
		at += n;
	}
}

int wal_empty(struct sqlite_store *s, int readers_ms)
{
	struct committer *c = &s->committer;

	sqlite3_busy_timeout(c->conn->db, readers_ms);
	int code = sqlite3_wal_checkpoint_v2(
		c->conn->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	sqlite3_busy_timeout(c->conn->db, CONN_BUSY_MS);
	if (code == SQLITE_OK)
		c->wal_frames = 0;
	return code;
}

/* Takes its header, and so all frames in it, out of force. */
static int wal_void(struct sqlite_store *s)
{
	static const char zeros[WAL_HEADER];
	struct stat st;

	if (fstat(s->committer.wal_fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	ssize_t n = pwrite(s->committer.wal_fd, zeros, sizeof(zeros), 0);
	if (n != sizeof(zeros))
		return n < 0 ? -errno : -ENOSPC;
	return guard_fdatasync(s->committer.guard, s->committer.wal_fd);
}

int wal_scrub(struct sqlite_store *s)
{
	static const char zeros[64 << 10];
	int fd = s->committer.wal_fd;
	struct stat st;
	int rc = wal_void(s);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > WAL_GROW_BYTES && ftruncate(fd, WAL_GROW_BYTES) < 0)
		return -errno;
	for (off_t at = 0; at < st.st_size && at < WAL_GROW_BYTES; at += (off_t)sizeof(zeros)) {
		off_t left = WAL_GROW_BYTES - at;
		size_t size = left < (off_t)sizeof(zeros) ? (size_t)left : sizeof(zeros);

		if (pwrite(fd, zeros, size, at) != (ssize_t)size)
			return -EIO;
	}
	return 0;
}

int wal_end(struct sqlite_store *s)
{
	int rc = wal_void(s);

	if (rc == 0 && ftruncate(s->committer.wal_fd, 0) < 0)
		rc = -errno;
	return rc;
}

void wal_committed(struct sqlite_store *s, unsigned frames)
{
	struct committer *c = &s->committer;

	/* SQLite may have started the file over, with new salts. */
	if (pread(c->wal_fd, c->wal_salt, sizeof(c->wal_salt), 16) < 0)
		memset(c->wal_salt, 0, sizeof(c->wal_salt));
	c->wal_frames = frames;
	if (frames >= WAL_CHECKPOINT_FRAMES)
		maintain_ask(s, SCRUB_NONE);
}
