/*
 * What becomes of the -wal's frames after a sync of it that failed (F4).
 *
 * The kernel may have marked the pages clean that it could not write, so a later fdatasync succeeds
 * without them. Frames of a failed commit do no harm: the next commit is written over them, and a
 * frame's checksum goes on from the frame before. But frames before them that were committed
 * without a sync (STORE_DURABLE not asked for) may be missing on the disk too, and recovery after a
 * power cut ends at the first one missing: what is acknowledged later would hang on them; and a
 * checkpoint must not write the store's file, which is torn if the power is cut then, as long as
 * what is to mend it may be missing. So after a failed sync, by whomever, no other succeeds
 * (guard.h) and nothing is committed until wal_heal() has read all committed frames back, verified
 * their chain of checksums, written them again (which makes their pages dirty again), synced that,
 * and moved all into the store's file.
 *
 * Who opens a store that was not closed cannot know whether a sync failed before it: frames that it
 * finds are written again too, by wal_recover().
 */
#include "commit.h"

#include "base/log.h"
#include "inside.h"

#include <byteswap.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat2.html#the_write_ahead_log */
enum {
	WAL_HEADER = 32,
	WAL_FRAME_HEADER = 24,
	WAL_PAGE = 4096,
	WAL_FRAME = WAL_FRAME_HEADER + WAL_PAGE,
	WAL_MAGIC = 0x377f0682, /* with bit 0: checksums over big-endian words */
};

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

/*
 * Reads one frame, verifies that it goes on from `sum`, and writes it back where it was. 1; 0: it
 * does not go on; -errno.
 */
static int frame_rewrite(
	int fd, unsigned number, bool big, const unsigned char salt[8], uint32_t sum[2])
{
	unsigned char frame[WAL_FRAME];
	off_t at = WAL_HEADER + (off_t)number * WAL_FRAME;

	ssize_t n = pread(fd, frame, sizeof(frame), at);
	if (n != sizeof(frame))
		return n < 0 ? -errno : 0;
	wal_sum(big, frame, 8, sum);
	wal_sum(big, frame + WAL_FRAME_HEADER, WAL_PAGE, sum);
	if (memcmp(frame + 8, salt, 8) != 0 || get32(frame + 16) != sum[0] ||
		get32(frame + 20) != sum[1])
		return 0;
	n = pwrite(fd, frame, sizeof(frame), at);
	if (n != sizeof(frame))
		return n < 0 ? -errno : -ENOSPC;
	return 1;
}

/* Reads the header and writes it back. 1; 0: it is none; -errno. */
static int header_rewrite(int fd, unsigned char header[WAL_HEADER], uint32_t sum[2])
{
	ssize_t n = pread(fd, header, WAL_HEADER, 0);

	if (n != WAL_HEADER)
		return n < 0 ? -errno : 0;
	sum[0] = sum[1] = 0;
	wal_sum(header[3] & 1, header, 24, sum);
	if ((get32(header) & ~1u) != WAL_MAGIC || get32(header + 24) != sum[0] ||
		get32(header + 28) != sum[1])
		return 0;
	n = pwrite(fd, header, WAL_HEADER, 0);
	if (n != WAL_HEADER)
		return n < 0 ? -errno : -ENOSPC;
	return 1;
}

/* Makes up to `most` frames of the file dirty again and syncs them. How many there were. */
static int64_t frames_rewrite(int fd, unsigned most)
{
	unsigned char header[WAL_HEADER];
	uint32_t sum[2];
	unsigned count = 0;
	int rc = header_rewrite(fd, header, sum);

	while (rc > 0 && count < most) {
		rc = frame_rewrite(fd, count, header[3] & 1, header + 16, sum);
		count += rc > 0;
	}
	if (rc < 0)
		return rc;
	return count && fdatasync(fd) < 0 ? -errno : (int64_t)count;
}

/* The committed frames: those, and not less. */
static int wal_rewrite(struct committer *c)
{
	unsigned char salt[sizeof(c->wal_salt)];

	if (pread(c->wal_fd, salt, sizeof(salt), 16) != sizeof(salt))
		return -EIO;
	/* Other salts: the commit that failed had started the file over; nothing before is in it.
	 */
	if (memcmp(salt, c->wal_salt, sizeof(salt)) != 0)
		return 0;
	int64_t count = frames_rewrite(c->wal_fd, c->wal_frames);

	return count < 0 ? (int)count : count < c->wal_frames ? -EIO : 0;
}

int wal_recover(struct sqlite_store *s)
{
	int64_t count = frames_rewrite(s->committer.wal_fd, UINT_MAX);

	if (count >= 0)
		return 0;
	guard_break(s->committer.guard); /* closing must not believe the next sync */
	log_error("local store: cannot write the journal of an unclean stop again: %s",
		strerror((int)-count));
	return (int)count;
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
	int code = wal_empty(s, CONN_BUSY_MS);
	if (code != SQLITE_OK) {
		guard_break(c->guard);
		return conn_error(c->conn, code, NULL);
	}
	wal_grow(s);
	log_notice("local store: writing again after a failed sync");
	return 0;
}
