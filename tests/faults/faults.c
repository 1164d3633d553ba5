/*
 * LD_PRELOAD: makes the daemon's calls on the files of one folder fail, and records those that
 * change them. FAULTS_FOLDER names the folder, FAULTS_CONTROL a file with a struct control (the
 * tests map it too, see shim.py), FAULTS_RECORD the file that the record goes to.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum op {
	OP_OPEN,
	OP_READ,
	OP_WRITE,
	OP_SYNC,
	OP_TRUNCATE,
	OP_MMAP,
	OP_UNLINK,
	OP_RENAME,
	OP_COUNT
};
enum kind { KIND_NONE, KIND_DB, KIND_WAL, KIND_SHM, KIND_LOCK, KIND_OTHER, KIND_FOLDER };
enum record { REC_MAKE = 1, REC_WRITE, REC_SYNC, REC_SYNCED, REC_TRUNCATE, REC_UNLINK, REC_RENAME };

struct control {
	_Atomic uint32_t armed;
	uint32_t ops, kinds; /* bits: which calls on which files */
	int32_t error; /* errno; 0: writes come out short; -1: the process is killed instead */
	uint32_t per_million; /* 0: by count */
	uint32_t torn; /* a write that fails has written a part */
	uint64_t seed;
	_Atomic int64_t skip; /* so many calls go well … */
	_Atomic int64_t fails; /* … and then so many fail */
	_Atomic uint64_t calls, injected, injected_by[OP_COUNT];
	_Atomic uint64_t recorded; /* bytes of the record */
	_Atomic uint32_t memory_armed;
	uint32_t memory_per_million; /* 0: by count */
	_Atomic uint64_t memory_calls, memory_injected;
	_Atomic int64_t memory_skip, memory_fails; /* as skip and fails */
	_Atomic uint32_t memory_of_fuse; /* 1: libfuse's allocations fail, and no others */
};

struct record_head {
	uint32_t type, names; /* names: bytes of names after the head, before the data */
	uint64_t file, offset, size;
	int64_t result;
};

#define FDS 65536

static struct control *control;
static char folder[PATH_MAX];
static size_t folder_size;
static int record_fd = -1;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	enum kind kind;
	uint64_t file; /* inode number */
} fds[FDS];

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAULTS_CONTROL"), *where = getenv("FAULTS_FOLDER");
	const char *record = getenv("FAULTS_RECORD");

	if (!path || !where)
		return;
	snprintf(folder, sizeof(folder), "%s/", where);
	folder_size = strlen(folder);
	if (record)
		record_fd = REAL(open64)(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int fd = REAL(open64)(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		abort();
	void *map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	REAL(close)(fd);
	if (map == MAP_FAILED)
		abort();
	control = map;
}

static enum kind kind_of(const char *path)
{
	size_t size = path ? strlen(path) : 0;

	if (!control || !path)
		return KIND_NONE;
	if (size + 1 == folder_size && memcmp(path, folder, size) == 0)
		return KIND_FOLDER;
	if (strncmp(path, folder, folder_size) != 0)
		return KIND_NONE;
	const char *name = path + folder_size, *end = strrchr(name, '-');

	if (strcmp(name, "turnfs.db") == 0)
		return KIND_DB;
	if (strncmp(name, "turnfs.db-", 10) != 0 || end != name + 9)
		return KIND_OTHER;
	return strcmp(end, "-wal") == 0	   ? KIND_WAL
	       : strcmp(end, "-shm") == 0  ? KIND_SHM
	       : strcmp(end, "-lock") == 0 ? KIND_LOCK
					   : KIND_OTHER;
}

/* Whether this call is to fail; *ret_dice: more of the same chance. */
static int fault(enum op op, enum kind kind, uint64_t *ret_dice)
{
	if (!control || kind == KIND_NONE || !control->armed)
		return 0;
	if (!(control->ops & 1u << op) || !(control->kinds & 1u << kind))
		return 0;
	uint64_t call = control->calls++;

	*ret_dice = mix(control->seed + call);
	if (control->per_million) {
		if (*ret_dice % 1000000 >= control->per_million)
			return 0;
	} else if (control->skip-- > 0 || control->fails-- <= 0) {
		return 0;
	}
	control->injected++;
	control->injected_by[op]++;
	if (control->error < 0)
		kill(getpid(), SIGKILL);
	return 1;
}

static int fails(enum op op, enum kind kind)
{
	uint64_t dice;

	if (!fault(op, kind, &dice))
		return 0;
	errno = control->error ? control->error : EIO;
	return 1;
}

/* The record. Its order is the order of the calls: the lock is held around both. */

static int recorded(enum kind kind)
{
	return record_fd >= 0 && kind != KIND_NONE && kind != KIND_SHM && kind != KIND_LOCK;
}

static void record(enum record type, uint64_t file, uint64_t offset, int64_t result,
	const char *names, size_t names_size, const void *data, size_t size)
{
	struct record_head head = {type, (uint32_t)names_size, file, offset, size, result};
	size_t all = sizeof(head) + names_size + size;
	char *text = malloc(all);

	if (!text)
		abort();
	memcpy(text, &head, sizeof(head));
	if (names_size)
		memcpy(text + sizeof(head), names, names_size);
	if (size)
		memcpy(text + sizeof(head) + names_size, data, size);
	if (REAL(write)(record_fd, text, all) != (ssize_t)all)
		abort();
	free(text);
	control->recorded += all;
}

static void record_locked(enum record type, uint64_t file, uint64_t offset, int64_t result)
{
	int saved = errno;

	pthread_mutex_lock(&record_lock);
	record(type, file, offset, result, NULL, 0, NULL, 0);
	pthread_mutex_unlock(&record_lock);
	errno = saved;
}

/* The calls */

static int open_any(int (*call)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
	enum kind kind = kind_of(path);
	struct stat st;

	if (kind == KIND_NONE)
		return call(path, flags, mode);
	if (fails(OP_OPEN, kind))
		return -1;
	if (recorded(kind))
		pthread_mutex_lock(&record_lock);
	int made = (flags & O_CREAT) && access(path, F_OK) < 0;
	int fd = call(path, flags, mode);
	int saved = errno;

	if (fd >= 0 && fd < FDS && fstat(fd, &st) == 0) {
		fds[fd].kind = kind;
		fds[fd].file = st.st_ino;
		if (recorded(kind) && (made || (flags & O_TRUNC)))
			record(REC_MAKE, st.st_ino, 0, 0, path + folder_size,
				strlen(path + folder_size), NULL, 0);
	}
	if (recorded(kind))
		pthread_mutex_unlock(&record_lock);
	errno = saved;
	return fd;
}

#define OPEN(name)                                                                                 \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		if (flags & (O_CREAT | __O_TMPFILE)) {                                             \
			va_list args;                                                              \
			va_start(args, flags);                                                     \
			mode = va_arg(args, mode_t);                                               \
			va_end(args);                                                              \
		}                                                                                  \
		return open_any(REAL(name), path, flags, mode);                                    \
	}
#undef open
#undef open64
OPEN(open)
OPEN(open64)

int close(int fd)
{
	if (fd >= 0 && fd < FDS)
		fds[fd].kind = KIND_NONE;
	return REAL(close)(fd);
}

static enum kind kind_fd(int fd)
{
	return fd >= 0 && fd < FDS ? fds[fd].kind : KIND_NONE;
}

ssize_t pread64(int fd, void *data, size_t size, off64_t at)
{
	return fails(OP_READ, kind_fd(fd)) ? -1 : REAL(pread64)(fd, data, size, at);
}

ssize_t __pread64_chk(int fd, void *data, size_t size, off64_t at, size_t room)
{
	return pread64(fd, data, size, at);
}

static ssize_t write_at(int fd, const void *data, size_t size, off64_t at)
{
	enum kind kind = kind_fd(fd);

	if (!recorded(kind))
		return REAL(pwrite64)(fd, data, size, at);
	pthread_mutex_lock(&record_lock);
	ssize_t n = REAL(pwrite64)(fd, data, size, at);
	int saved = errno;

	if (n > 0)
		record(REC_WRITE, fds[fd].file, (uint64_t)at, n, NULL, 0, data, (size_t)n);
	pthread_mutex_unlock(&record_lock);
	errno = saved;
	return n;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	uint64_t dice;

	if (!fault(OP_WRITE, kind_fd(fd), &dice))
		return write_at(fd, data, size, at);
	int error = control->error;
	size_t part = size > 1 ? 1 + mix(dice) % (size - 1) : size;

	if (error == 0)
		return write_at(fd, data, part, at);
	if (control->torn && size > 1)
		write_at(fd, data, part, at);
	errno = error;
	return -1;
}

static int sync_any(int (*call)(int), int fd)
{
	enum kind kind = kind_fd(fd);
	static _Atomic uint64_t count;
	int recording = recorded(kind), rc;
	uint64_t number = recording ? ++count : 0; /* several may be under way */

	if (recording)
		record_locked(REC_SYNC, fds[fd].file, number, 0);
	rc = fails(OP_SYNC, kind) ? -1 : call(fd);
	if (recording)
		record_locked(REC_SYNCED, fds[fd].file, number, rc);
	return rc;
}

int fsync(int fd)
{
	return sync_any(REAL(fsync), fd);
}

int fdatasync(int fd)
{
	return sync_any(REAL(fdatasync), fd);
}

int ftruncate64(int fd, off64_t size)
{
	enum kind kind = kind_fd(fd);

	if (fails(OP_TRUNCATE, kind))
		return -1;
	if (!recorded(kind))
		return REAL(ftruncate64)(fd, size);
	pthread_mutex_lock(&record_lock);
	int rc = REAL(ftruncate64)(fd, size), saved = errno;

	if (rc == 0)
		record(REC_TRUNCATE, fds[fd].file, (uint64_t)size, 0, NULL, 0, NULL, 0);
	pthread_mutex_unlock(&record_lock);
	errno = saved;
	return rc;
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off64_t offset)
{
	if (fd >= 0 && fails(OP_MMAP, kind_fd(fd)))
		return MAP_FAILED;
	return REAL(mmap64)(at, size, protection, flags, fd, offset);
}

int unlink(const char *path)
{
	enum kind kind = kind_of(path);

	if (fails(OP_UNLINK, kind))
		return -1;
	if (!recorded(kind))
		return REAL(unlink)(path);
	pthread_mutex_lock(&record_lock);
	int rc = REAL(unlink)(path), saved = errno;

	if (rc == 0)
		record(REC_UNLINK, 0, 0, 0, path + folder_size, strlen(path + folder_size), NULL,
			0);
	pthread_mutex_unlock(&record_lock);
	errno = saved;
	return rc;
}

int rename(const char *from, const char *to)
{
	enum kind kind = kind_of(from);
	char names[2 * PATH_MAX];

	if (fails(OP_RENAME, kind))
		return -1;
	if (!recorded(kind))
		return REAL(rename)(from, to);
	int size = snprintf(names, sizeof(names), "%s/%s", from + folder_size, to + folder_size);

	pthread_mutex_lock(&record_lock);
	int rc = REAL(rename)(from, to), saved = errno;

	if (rc == 0)
		record(REC_RENAME, 0, 0, 0, names, (size_t)size, NULL, 0);
	pthread_mutex_unlock(&record_lock);
	errno = saved;
	return rc;
}

#ifdef FAULTS_MEMORY
/* Memory. By glibc's own names, for dlsym() asks for memory itself. Not under a sanitizer. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

/* libfuse answers a request that it has no memory for by itself: its allocations are told apart. */
static uintptr_t fuse_begin, fuse_end;

static int find_fuse(struct dl_phdr_info *info, size_t size, void *arg)
{
	if (!strstr(info->dlpi_name, "/libfuse3"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t end = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_addr + end > fuse_end)
			fuse_end = info->dlpi_addr + end;
	}
	fuse_begin = info->dlpi_addr;
	return 1;
}

__attribute__((constructor)) static void start_memory(void)
{
	dl_iterate_phdr(find_fuse, NULL);
}

static int memory_fails(void *caller)
{
	if (!control || !control->memory_armed)
		return 0;
	int of_fuse = (uintptr_t)caller >= fuse_begin && (uintptr_t)caller < fuse_end;

	if (of_fuse != (control->memory_of_fuse != 0))
		return 0;
	uint64_t call = control->memory_calls++;

	if (control->memory_per_million) {
		if (mix(control->seed + call) % 1000000 >= control->memory_per_million)
			return 0;
	} else if (control->memory_skip-- > 0 || control->memory_fails-- <= 0) {
		return 0;
	}
	control->memory_injected++;
	errno = ENOMEM;
	return 1;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
	return memory_fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return memory_fails(CALLER) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return memory_fails(CALLER) ? NULL : __libc_realloc(old, size);
}
#endif
