/* Directory and file of a local store (S1). */
#include "place.h"

#include "base/cleanup.h"
#include "schema.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir -p, with 0700 for what is made. */
static int make_dirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		int rc = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;

		*p = '/';
		if (rc < 0)
			return rc;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Splits at the last slash: "." if there is none. The name is in `path` itself. */
static const char *split(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (!slash)
		strcpy(dir, ".");
	else if (length == 0)
		strcpy(dir, "/");
	else
		snprintf(dir, PATH_MAX, "%.*s", (int)length, path);
	return slash ? slash + 1 : path;
}

static int dir_check(char dir[PATH_MAX], bool make, struct errtext *error)
{
	struct stat st;
	int rc = 0;

	if (stat(dir, &st) < 0)
		rc = -errno;
	if (rc == -ENOENT && make) {
		rc = make_dirs(dir);
		if (rc < 0)
			return errtext_set(error, rc,
				"Cannot make the directory %s for the store: %s; name another "
				"place",
				dir, strerror(-rc));
		rc = stat(dir, &st) < 0 ? -errno : 0;
	}
	if (rc < 0)
		return errtext_set(
			error, rc, "Cannot use the store's directory %s: %s", dir, strerror(-rc));
	if (!S_ISDIR(st.st_mode))
		return errtext_set(error, -EINVAL,
			"%s is not a directory; name another place for "
			"the store",
			dir);
	/* Its owner could put another file in our file's place; root is trusted, and trusts. */
	if (st.st_uid != 0 && geteuid() != 0 && st.st_uid != geteuid())
		return errtext_set(error, -EPERM,
			"The store's directory %s belongs to another user (uid %u); make one of "
			"your "
			"own (mkdir -m 700)",
			dir, (unsigned)st.st_uid);
	if (st.st_mode & 022)
		return errtext_set(error, -EPERM,
			"Others can write to the store's directory %s (mode %04o); make a "
			"directory of its own for it: mkdir -m 700 %s/turnfs",
			dir, (unsigned)(st.st_mode & 07777), strcmp(dir, "/") ? dir : "");
	return 0;
}

static int is_directory(const char *path, struct errtext *error)
{
	size_t length = strlen(path);

	return errtext_set(error, -EINVAL,
		"%s is a directory; name a file in it, as in %s%sturns.db", path, path,
		length && path[length - 1] == '/' ? "" : "/");
}

static int file_check(const char *path, struct errtext *error)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		int rc = -errno;

		return rc == -ENOENT ? 0
				     : errtext_set(error, rc, "Cannot look at the store %s: %s",
					       path, strerror(-rc));
	}
	if (S_ISLNK(st.st_mode))
		return errtext_set(error, -EPERM,
			"The store %s is a symbolic link; name the file it leads to", path);
	if (!S_ISREG(st.st_mode))
		return errtext_set(error, -EINVAL,
			"%s is not a regular file; name another one for the store", path);
	if (st.st_mode & 022)
		return errtext_set(error, -EPERM,
			"Others can write to the store %s (mode %04o); if you trust what is in it: "
			"chmod go-w %s",
			path, (unsigned)(st.st_mode & 07777), path);
	return 0;
}

int place_check(const char *path, bool make, char ret[PATH_MAX], struct errtext *error)
{
	char dir[PATH_MAX], real[PATH_MAX];
	const char *name;
	struct stat st;

	/* 16: room for "-wal", "-lock" and the like */
	if (strlen(path) > PATH_MAX - 16)
		return errtext_set(error, -EINVAL, "The store's path is too long");
	name = split(path, dir);
	if (*name == '\0' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return is_directory(path, error);
	int rc = dir_check(dir, make, error);

	if (rc < 0)
		return rc;
	if (!realpath(dir, real)) {
		rc = -errno;
		return errtext_set(
			error, rc, "Cannot use the store's directory %s: %s", dir, strerror(-rc));
	}
	if (strlen(real) + strlen(name) + 16 > PATH_MAX)
		return errtext_set(error, -EINVAL, "The store's path is too long");
	strcpy(ret, real);
	if (ret[1] != '\0')
		strcat(ret, "/");
	strcat(ret, name);
	return file_check(ret, error);
}

/* https://www.sqlite.org/fileformat2.html#the_database_header */
enum { HEADER_SIZE = 100, HEADER_VERSION = 60, HEADER_APPLICATION = 68 };

static int header_int(const unsigned char *header, int at)
{
	uint32_t value;

	memcpy(&value, header + at, sizeof(value));
	return (int)be32toh(value);
}

int place_identify(const char *path, enum place_found *ret, int *ret_version, struct errtext *error)
{
	unsigned char header[HEADER_SIZE];
	CLEAN_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	*ret = PLACE_NOTHING;
	if (fd < 0 && errno == ENOENT)
		return 0;
	ssize_t n = fd < 0 ? -1 : read(fd, header, sizeof(header));

	if (n < 0) {
		int rc = errno == EACCES || errno == EMFILE || errno == ENOMEM ? -errno : -EIO;

		return errtext_set(
			error, rc, "Cannot read the store %s: %s", path, strerror(errno));
	}
	if (n == 0)
		return 0;
	if (n < HEADER_SIZE || memcmp(header, "SQLite format 3", 16) != 0)
		return errtext_set(error, -EINVAL,
			"%s is not a turnfs store (or its first bytes are damaged: then restore it "
			"from a backup); name another file; nothing was changed",
			path);
	if (header_int(header, HEADER_APPLICATION) != SCHEMA_APPLICATION_ID)
		return errtext_set(error, -EINVAL,
			"%s is not a turnfs store but another program's database; name another "
			"file; nothing was changed",
			path);
	*ret_version = header_int(header, HEADER_VERSION);
	*ret = *ret_version > SCHEMA_VERSION ? PLACE_NEWER : PLACE_STORE;
	return 0;
}

int place_sync_dir(const char *path)
{
	char dir[PATH_MAX];

	split(path, dir);
	CLEAN_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}
