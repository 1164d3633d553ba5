/*
 * What secure_delete leaves behind. SQLite zeroes a row that is deleted where it lies, but when it
 * balances its trees it moves rows between pages and leaves copies of them in the unused middle of
 * the pages they came from. So each page of a tree gets its unused bytes zeroed here, on its way
 * into the store's file, which is when a checkpoint writes it. (The -wal, whose frames are summed
 * before they are written, is overwritten as a whole: see wal.c, which alone cuts it too.)
 */
#include "wipe.h"

#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

/* https://www.sqlite.org/fileformat2.html#b_tree_pages */
enum {
	PAGE_SIZE = 4096,
	PAGE_ONE_HEADER = 100, /* the first page begins with the file's header */
	TREE_INDEX_INTERIOR = 2,
	TREE_TABLE_INTERIOR = 5,
	TREE_INDEX_LEAF = 10,
	TREE_TABLE_LEAF = 13,
};

/*
 * Pages of other kinds begin with a page number, big-endian: its first byte is 0 and cannot be
 * taken for a tree's, as long as there are not more pages than this (64 GiB).
 */
#define PAGES_MAX (INT64_C(1) << 24)

static unsigned get16(const unsigned char *data)
{
	return (unsigned)data[0] << 8 | data[1];
}

/* Zeroes freed blocks: a chain in ascending order, each with its successor and its size in front.
 */
static void wipe_free_blocks(unsigned char *page, unsigned at)
{
	while (at != 0 && at + 4 <= PAGE_SIZE) {
		unsigned next = get16(page + at), size = get16(page + at + 2);

		if (size < 4 || at + size > PAGE_SIZE || (next != 0 && next < at + size))
			return; /* damaged: for the check to find, not to make worse */
		memset(page + at + 4, 0, size - 4);
		at = next;
	}
}

static void wipe_page(unsigned char *page, unsigned header)
{
	unsigned kind = page[header];
	unsigned cells = get16(page + header + 3), content = get16(page + header + 5);
	unsigned pointers = header;

	if (kind == TREE_INDEX_LEAF || kind == TREE_TABLE_LEAF)
		pointers += 8;
	else if (kind == TREE_INDEX_INTERIOR || kind == TREE_TABLE_INTERIOR)
		pointers += 12;
	else
		return;
	unsigned gap = pointers + 2 * cells;

	if (gap <= content && content <= PAGE_SIZE)
		memset(page + gap, 0, content - gap);
	wipe_free_blocks(page, get16(page + header + 1));
}

/* The methods of one kind of file: the base's, and ours. */
struct hooks {
	const sqlite3_io_methods *base;
	sqlite3_io_methods own;
};

static struct hooks db_hooks, wal_hooks;
static sqlite3_vfs vfs;
static int (*base_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
static pthread_mutex_t hooks_lock = PTHREAD_MUTEX_INITIALIZER; /* of the first use of each */

/* Of the calling thread: what failed last. */
static _Thread_local struct {
	int code, error;
} noted;

static int note(const struct hooks *hooks, sqlite3_file *file, int code)
{
	if (code != SQLITE_OK) {
		noted.code = code;
		noted.error = 0;
		hooks->base->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &noted.error);
	}
	return code;
}

int wipe_errno(int code)
{
	return noted.code == code ? noted.error : 0;
}

static int wipe_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	unsigned char page[PAGE_SIZE];

	if (size != PAGE_SIZE || offset % PAGE_SIZE != 0 || offset / PAGE_SIZE >= PAGES_MAX)
		return note(&db_hooks, file, db_hooks.base->xWrite(file, data, size, offset));
	memcpy(page, data, sizeof(page));
	wipe_page(page, offset == 0 ? PAGE_ONE_HEADER : 0);
	return note(&db_hooks, file, db_hooks.base->xWrite(file, page, size, offset));
}

/*
 * A read that failed with EIO: SQLite would make of it what it says of a file with wrong contents
 * (SQLITE_CORRUPT), and the two could not be told apart.
 */
static int read_code(int code)
{
	return code == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : code;
}

static int db_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	return read_code(db_hooks.base->xRead(file, data, size, offset));
}

static int wal_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	return read_code(wal_hooks.base->xRead(file, data, size, offset));
}

/* A -wal's guard stands behind the base's own struct. */
static struct guard **wal_guard(sqlite3_file *file)
{
	return (struct guard **)((char *)file + vfs.szOsFile - sizeof(struct guard *));
}

struct sync {
	sqlite3_file *file;
	int flags;
};

static int base_sync(void *arg)
{
	struct sync *sync = arg;

	return note(&wal_hooks, sync->file, wal_hooks.base->xSync(sync->file, sync->flags));
}

static int wal_sync(sqlite3_file *file, int flags)
{
	struct sync sync = {.file = file, .flags = flags};
	int code = guard_sync(*wal_guard(file), base_sync, &sync);

	if (code != GUARD_BROKEN)
		return code;
	noted.code = SQLITE_IOERR_FSYNC;
	noted.error = EIO;
	return noted.code;
}

static int wal_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	return note(&wal_hooks, file, wal_hooks.base->xWrite(file, data, size, offset));
}

static int db_sync(sqlite3_file *file, int flags)
{
	return note(&db_hooks, file, db_hooks.base->xSync(file, flags));
}

static int db_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return note(&db_hooks, file, db_hooks.base->xTruncate(file, size));
}

/* After a checkpoint that wants the -wal empty: its old frames are out of force without that. */
static int wal_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return SQLITE_OK;
}

/* The file is the base's own; only its table of methods is another, with some replaced. */
static void hooks_set(struct hooks *hooks, sqlite3_file *file)
{
	pthread_mutex_lock(&hooks_lock);
	if (!hooks->base) {
		hooks->own = *file->pMethods;
		if (hooks == &wal_hooks) {
			hooks->own.xRead = wal_read;
			hooks->own.xTruncate = wal_truncate;
			hooks->own.xWrite = wal_write;
			hooks->own.xSync = wal_sync;
		} else {
			hooks->own.xRead = db_read;
			hooks->own.xWrite = wipe_write;
			hooks->own.xTruncate = db_truncate;
			hooks->own.xSync = db_sync;
		}
		hooks->base = file->pMethods;
	}
	/* Another table is for another way of locking, which is not for files that we write. */
	if (file->pMethods == hooks->base)
		file->pMethods = &hooks->own;
	pthread_mutex_unlock(&hooks_lock);
}

static int wipe_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	int code = base_open(self, name, file, flags, out);

	if (code != SQLITE_OK || !file->pMethods)
		return code;
	if (flags & SQLITE_OPEN_MAIN_DB)
		hooks_set(&db_hooks, file);
	if (flags & SQLITE_OPEN_WAL) {
		struct guard *guard = guard_find(name);

		if (!guard) {
			file->pMethods->xClose(file);
			file->pMethods = NULL;
			return SQLITE_NOMEM;
		}
		*wal_guard(file) = guard;
		hooks_set(&wal_hooks, file);
	}
	return SQLITE_OK;
}

static void wipe_register(void)
{
	const sqlite3_vfs *base = sqlite3_vfs_find(NULL);

	vfs = *base;
	vfs.pNext = NULL;
	vfs.zName = "turnfs";
	vfs.szOsFile = (base->szOsFile + 7) / 8 * 8 + (int)sizeof(struct guard *);
	base_open = base->xOpen;
	vfs.xOpen = wipe_open;
	sqlite3_vfs_register(&vfs, 0);
}

const char *wipe_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, wipe_register);
	return vfs.zName;
}
