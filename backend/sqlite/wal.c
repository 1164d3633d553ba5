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
 *
 * A SYNC THAT FAILED (F4). The kernel may have marked the pages clean that it could not write, so a
 * later fdatasync succeeds without them. Frames of a failed commit do no harm: the next commit is
 * written over them, and a frame's checksum goes on from the frame before. But frames before them
 * that were committed without a sync (STORE_DURABLE not asked for) may be missing on the disk too,
 * and recovery after a power cut ends at the first one missing: what is acknowledged later would
 * hang on them; and a checkpoint must not write the store's file, which is torn if the power is cut
 * then, as long as what is to mend it may be missing. So after a failed sync, by whomever, no other
 * succeeds (guard.h) and nothing is committed until wal_heal() has read all committed frames back,
 * verified their chain of checksums, written them again (which makes their pages dirty again),
 * synced that, and moved all into the store's file.
 */
#include "commit.h"

#include "base/log.h"
#include "inside.h"

#include <byteswap.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
enum {
	WAL_HEADER = 32,
	WAL_FRAME_HEADER = 24,
	WAL_PAGE = 4096,
	WAL_FRAME = WAL_FRAME_HEADER + WAL_PAGE,
	WAL_MAGIC = 0x377f0682, /* with bit 0: checksums over big-endian words */
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
	return s->committer.wal_fd < 0 ? -errno : 0;
}

/* Fills the file up; only the leader may. Without it commits are only slower: errors do not count.
 */
void wal_grow(struct sqlite_store *s)
{
	static const char zeros[64 << 10];
	struct stat st;

	if (fstat(s->committer.wal_fd, &st) < 0)
		return;
	for (off_t at = st.st_size; at < WAL_GROW_BYTES;) {
		size_t size = sizeof(zeros);

		if ((off_t)size > WAL_GROW_BYTES - at)
			size = (size_t)(WAL_GROW_BYTES - at);
		ssize_t n = pwrite(s->committer.wal_fd, zeros, size, at);
		if (n <= 0)
			break;
		at += n;
	}
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

static uint32_t get32(const unsigned char *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return be32toh(value);
}

/* SQLite's sum of pairs of words, in the byte order that the magic number names. */
static void wal_sum(bool big, const unsigned char *data, size_t size, uint32_t sum[2])
{
	for (size_t i = 0; i < size; i += 8) {
		uint32_t a = get32(data + i), b = get32(data + i + 4);

		sum[0] += (big ? a : bswap_32(a)) + sum[1];
		sum[1] += (big ? b : bswap_32(b)) + sum[0];
	}
}

/* Reads one frame, verifies that it goes on from `sum`, and writes it back where it was. */
static int frame_rewrite(
	int fd, unsigned number, bool big, const unsigned char salt[8], uint32_t sum[2])
{
	unsigned char frame[WAL_FRAME];
	off_t at = WAL_HEADER + (off_t)number * WAL_FRAME;

	if (pread(fd, frame, sizeof(frame), at) != sizeof(frame))
		return -EIO;
	wal_sum(big, frame, 8, sum);
	wal_sum(big, frame + WAL_FRAME_HEADER, WAL_PAGE, sum);
	if (memcmp(frame + 8, salt, 8) != 0 || get32(frame + 16) != sum[0] ||
		get32(frame + 20) != sum[1])
		return -EIO;
	ssize_t n = pwrite(fd, frame, sizeof(frame), at);
	if (n != sizeof(frame))
		return n < 0 ? -errno : -ENOSPC;
	return 0;
}

/* Makes the committed frames dirty again and syncs them. */
static int wal_rewrite(struct committer *c)
{
	unsigned char header[WAL_HEADER];
	uint32_t sum[2] = {0, 0};

	if (pread(c->wal_fd, header, sizeof(header), 0) != sizeof(header))
		return -EIO;
	/* Other salts: the commit that failed had started the file over; nothing before is in it.
	 */
	if (memcmp(header + 16, c->wal_salt, sizeof(c->wal_salt)) != 0)
		return 0;
	bool big = header[3] & 1;

	wal_sum(big, header, 24, sum);
	if ((get32(header) & ~1u) != WAL_MAGIC || get32(header + 24) != sum[0] ||
		get32(header + 28) != sum[1])
		return -EIO;
	if (pwrite(c->wal_fd, header, sizeof(header), 0) != sizeof(header))
		return -EIO;
	for (unsigned i = 0; i < c->wal_frames; i++) {
		int rc = frame_rewrite(c->wal_fd, i, big, header + 16, sum);

		if (rc < 0)
			return rc;
	}
	return fdatasync(c->wal_fd) < 0 ? -errno : 0;
}

int wal_heal(struct sqlite_store *s)
{
	struct committer *c = &s->committer;
	int rc = c->wal_frames > 0 ? wal_rewrite(c) : 0;

	if (rc < 0) {
		log_error("local store: cannot write its journal again after a failed sync: %s",
			strerror(-rc));
		return rc;
	}
	guard_mend(c->guard);
	if (conn_exec(c->conn, "PRAGMA synchronous = FULL") == SQLITE_OK)
		c->sync_mode = 2;
	int code = sqlite3_wal_checkpoint_v2(
		c->conn->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (code != SQLITE_OK) {
		guard_break(c->guard);
		return conn_error(c->conn, code, NULL);
	}
	c->wal_frames = 0;
	wal_grow(s);
	log_notice("local store: writing again after a failed sync");
	return 0;
}
