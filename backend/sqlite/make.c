/* Is it a store, and is it ours? Making one where there is none. */
#include "make.h"

#include "base/cleanup.h"
#include "place.h"
#include "schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int open_failed(struct sqlite_store *s, int code, int rc, struct errtext *error)
{
	switch (code & 0xff) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return errtext_set(error, -EIO,
			"The store %s is damaged (%s); restore it from a backup, or move it away "
			"to "
			"begin a new one",
			s->path, sqlite3_errstr(code));
	case SQLITE_FULL:
		return errtext_set(error, -ENOSPC,
			"The disk of the store %s is full; make room on it", s->path);
	case SQLITE_READONLY:
		return errtext_set(error, -EROFS,
			"The store %s cannot be written; mount it read-only (-o ro), or mend its "
			"permissions",
			s->path);
	case SQLITE_BUSY:
		return errtext_set(error, -EBUSY,
			"The store %s is being used by another program; end that first", s->path);
	default:
		return errtext_set(error, rc, "Cannot open the store %s: %s", s->path,
			rc == -EIO ? sqlite3_errstr(code) : strerror(-rc));
	}
}

/* Makes the empty store in `name`, complete and synced. */
static int make_file(struct sqlite_store *s, const char *name, struct errtext *error)
{
	CLEAN_FD int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct conn *conn;
	int code, rc;

	if (fd < 0) {
		rc = -errno;
		return errtext_set(error, rc, "Cannot make the store %s: %s%s", s->path,
			strerror(-rc), rc == -ENOSPC ? "; make room on that disk" : "");
	}
	rc = conn_open(name, CONN_WRITER, &conn, &code);
	if (rc < 0)
		return open_failed(s, code, rc, error);
	code = schema_create(conn);
	rc = conn_errno(conn->db, code);
	conn_close(conn); /* moves all out of its -wal and removes it */
	if (rc < 0)
		return open_failed(s, code, rc, error);
	return fsync(fd) < 0 ? errtext_set(error, -EIO, "Cannot make the store %s: %s", s->path,
				       strerror(errno))
			     : 0;
}

/* Made under another name and then renamed: a crash leaves no half of a store. */
static int store_make(struct sqlite_store *s, struct errtext *error)
{
	static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
	char name[PATH_MAX + 8], old[PATH_MAX + 16];

	snprintf(name, sizeof(name), "%s-new", s->path);
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		snprintf(old, sizeof(old), "%s%s", name, endings[i]);
		unlink(old);
		/* Of an earlier store of this name whose file was taken away. */
		snprintf(old, sizeof(old), "%s%s", s->path, endings[i]);
		if (i > 0)
			unlink(old);
	}
	int rc = make_file(s, name, error);

	if (rc == 0 && rename(name, s->path) < 0)
		rc = errtext_set(
			error, -errno, "Cannot make the store %s: %s", s->path, strerror(errno));
	if (rc < 0)
		unlink(name);
	else
		place_sync_dir(s->path);
	return rc;
}

int store_identify(struct sqlite_store *s, struct errtext *error)
{
	enum place_found found;
	int version, rc = place_identify(s->path, &found, &version, error);

	if (rc < 0)
		return rc;
	if (found == PLACE_NEWER)
		return errtext_set(error, -EINVAL,
			"%s was made by a newer turnfs (schema %d, this one knows %d): upgrade "
			"turnfs; nothing was changed",
			s->path, version, SCHEMA_VERSION);
	if (found == PLACE_STORE)
		return 0;
	if (!s->writable || !s->options.create)
		return errtext_set(error, -ENOENT,
			"There is no store %s: is that its name? A mount without -o ro makes it",
			s->path);
	return store_make(s, error);
}

int store_accept(struct sqlite_store *s, struct conn *conn, struct errtext *error)
{
	enum schema_found found;
	int version, code = schema_identify(conn, &found, &version);

	if (code == SQLITE_OK && found == SCHEMA_NEWER)
		return errtext_set(error, -EINVAL,
			"%s was made by a newer turnfs (schema %d, this one knows %d): upgrade "
			"turnfs; nothing was changed",
			s->path, version, SCHEMA_VERSION);
	if (code == SQLITE_OK && found != SCHEMA_OURS)
		return errtext_set(
			error, -EINVAL, "%s is not a turnfs store; name another file", s->path);
	if (code == SQLITE_OK && s->writable)
		code = schema_upgrade(conn, version);
	if (code != SQLITE_OK)
		return open_failed(s, code, conn_errno(conn->db, code), error);
	return 0;
}
