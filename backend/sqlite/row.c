/* Packing, unpacking and verifying rows. All that is read here may be hostile. */
#include "row.h"

#include "base/name.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <xxhash.h>

/* The packed rows are little-endian on disk; no machine we know of would need them turned. */
static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "the store's file is little-endian");

/* threads.attrs */
struct thread_attrs {
	uint64_t revision, bytes;
	int64_t created_ns, mtime_ns, ctime_ns, ttl_ms, deadline_ms;
	uint64_t doc_ino, doc_revision;
	int64_t doc_mtime_ns, doc_ctime_ns;
	uint32_t life, last_turn, turns, files, mode, uid, gid;
	uint32_t doc_flags, doc_mode, doc_uid, doc_gid;
	uint32_t state;
	uint64_t sum; /* of all before it, gen and id */
};
static_assert(sizeof(struct thread_attrs) == 144, "no padding");

/* files.attrs */
struct file_attrs {
	uint64_t revision, size;
	int64_t mtime_ns, ctime_ns;
	uint32_t mode, uid, gid;
	uint32_t has_meta;
	uint64_t content_sum;
	uint64_t sum; /* of all before it, ino, gen, name and meta */
};
static_assert(sizeof(struct file_attrs) == 64, "no padding");

uint64_t row_sum(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}

int row_name(sqlite3_stmt *stmt, int column, int (*check)(const char *name),
	char ret[STORE_NAME_MAX + 1])
{
	if (sqlite3_column_type(stmt, column) != SQLITE_TEXT)
		return -EIO;
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	int size = sqlite3_column_bytes(stmt, column);
	char name[STORE_NAME_MAX + 1];

	if (!text)
		return -ENOMEM; /* to end it with a NUL */
	if (size <= 0 || size > STORE_NAME_MAX)
		return -EIO;
	memcpy(name, text, (size_t)size);
	name[size] = '\0';
	if (strlen(name) != (size_t)size || check(name) < 0)
		return -EIO;
	memcpy(ret, name, (size_t)size + 1);
	return 0;
}

/* A packed row: a blob of exactly that size. */
static int row_attrs(sqlite3_stmt *stmt, int column, void *ret, size_t size)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
		return -EIO;
	const void *data = sqlite3_column_blob(stmt, column);

	if (!data || (size_t)sqlite3_column_bytes(stmt, column) != size)
		return -EIO;
	memcpy(ret, data, size);
	return 0;
}

static uint64_t thread_attrs_sum(const struct thread_attrs *attrs, uint64_t gen, const char *id)
{
	uint64_t sum = row_sum(id, strlen(id), gen);

	return row_sum(attrs, offsetof(struct thread_attrs, sum), sum);
}

static void thread_unpack(const struct thread_attrs *attrs, struct thread_info *ret)
{
	ret->revision = attrs->revision;
	ret->life = attrs->life;
	ret->last_turn = attrs->last_turn;
	ret->turns = attrs->turns;
	ret->files = attrs->files;
	ret->bytes = attrs->bytes;
	ret->mode = attrs->mode;
	ret->uid = attrs->uid;
	ret->gid = attrs->gid;
	ret->created_ns = attrs->created_ns;
	ret->mtime_ns = attrs->mtime_ns;
	ret->ctime_ns = attrs->ctime_ns;
	ret->ttl_ms = attrs->ttl_ms;
	ret->deadline_ms = attrs->deadline_ms;
	ret->doc.ino = attrs->doc_ino;
	ret->doc.revision = attrs->doc_revision;
	ret->doc.flags = attrs->doc_flags;
	ret->doc.mode = attrs->doc_mode;
	ret->doc.uid = attrs->doc_uid;
	ret->doc.gid = attrs->doc_gid;
	ret->doc.mtime_ns = attrs->doc_mtime_ns;
	ret->doc.ctime_ns = attrs->doc_ctime_ns;
}

int thread_row_read(sqlite3_stmt *stmt, struct thread_info *ret, uint32_t *ret_state)
{
	struct thread_info info = {.gen = (uint64_t)sqlite3_column_int64(stmt, 0)};
	struct thread_attrs attrs;

	int rc = row_name(stmt, 1, name_thread_check, info.id);

	if (rc < 0)
		return rc;
	if (info.gen == 0 || row_attrs(stmt, 2, &attrs, sizeof(attrs)) < 0)
		return -EIO;
	if (attrs.sum != thread_attrs_sum(&attrs, info.gen, info.id))
		return -EIO;
	/* A sum can be forged: what could do harm is looked at all the same. */
	if (attrs.last_turn > STORE_TURN_MAX || attrs.turns > attrs.files ||
		(attrs.ttl_ms <= 0 && attrs.ttl_ms != STORE_TTL_NEVER))
		return -EIO;
	thread_unpack(&attrs, &info);
	*ret = info;
	*ret_state = attrs.state;
	return 0;
}

int thread_row_bind(sqlite3_stmt *stmt, const struct thread_info *info, uint32_t state)
{
	struct thread_attrs attrs = {
		.revision = info->revision,
		.bytes = info->bytes,
		.created_ns = info->created_ns,
		.mtime_ns = info->mtime_ns,
		.ctime_ns = info->ctime_ns,
		.ttl_ms = info->ttl_ms,
		.deadline_ms = info->deadline_ms,
		.doc_ino = info->doc.ino,
		.doc_revision = info->doc.revision,
		.doc_mtime_ns = info->doc.mtime_ns,
		.doc_ctime_ns = info->doc.ctime_ns,
		.life = info->life,
		.last_turn = info->last_turn,
		.turns = info->turns,
		.files = info->files,
		.mode = info->mode,
		.uid = info->uid,
		.gid = info->gid,
		.doc_flags = info->doc.flags,
		.doc_mode = info->doc.mode,
		.doc_uid = info->doc.uid,
		.doc_gid = info->doc.gid,
		.state = state,
	};

	attrs.sum = thread_attrs_sum(&attrs, info->gen, info->id);
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)info->gen);
	sqlite3_bind_text(stmt, 2, info->id, -1, SQLITE_STATIC);
	return sqlite3_bind_blob(stmt, 3, &attrs, sizeof(attrs), SQLITE_TRANSIENT);
}

static uint64_t file_attrs_sum(const struct file_attrs *attrs, uint64_t ino, uint64_t gen,
	const char *name, const void *meta, size_t meta_size)
{
	uint64_t sum = row_sum(&gen, sizeof(gen), ino);

	sum = row_sum(name, strlen(name), sum);
	sum = row_sum(meta, meta_size, sum);
	return row_sum(attrs, offsetof(struct file_attrs, sum), sum);
}

int file_row_read(sqlite3_stmt *stmt, struct file_row *ret)
{
	struct file_row row = {
		.info.ino = (uint64_t)sqlite3_column_int64(stmt, 0),
		.gen = (uint64_t)sqlite3_column_int64(stmt, 1),
	};
	struct file_attrs attrs;
	int meta_type = sqlite3_column_type(stmt, 4);
	int rc = row_name(stmt, 2, name_file_check, row.info.name);

	if (rc < 0)
		return rc;
	if (row.info.ino == 0 || row_attrs(stmt, 3, &attrs, sizeof(attrs)) < 0)
		return -EIO;
	if (meta_type != (attrs.has_meta ? SQLITE_BLOB : SQLITE_NULL))
		return -EIO;
	const void *meta = sqlite3_column_blob(stmt, 4);
	size_t meta_size = (size_t)sqlite3_column_bytes(stmt, 4);

	if (attrs.sum !=
		file_attrs_sum(&attrs, row.info.ino, row.gen, row.info.name, meta, meta_size))
		return -EIO;
	if (attrs.revision == STORE_REVISION_NONE || attrs.revision == STORE_REVISION_ANY)
		return -EIO;
	row.info.revision = attrs.revision;
	row.info.size = attrs.size;
	row.info.mode = attrs.mode;
	row.info.uid = attrs.uid;
	row.info.gid = attrs.gid;
	row.info.mtime_ns = attrs.mtime_ns;
	row.info.ctime_ns = attrs.ctime_ns;
	row.content_sum = attrs.content_sum;
	if (attrs.has_meta) {
		row.info.meta = blob_new(meta ? meta : "", meta_size);
		if (!row.info.meta)
			return -ENOMEM;
	}
	*ret = row;
	return 0;
}

int file_row_bind(sqlite3_stmt *stmt, const struct file_row *row)
{
	const struct blob *meta = row->info.meta;
	struct file_attrs attrs = {
		.revision = row->info.revision,
		.size = row->info.size,
		.mtime_ns = row->info.mtime_ns,
		.ctime_ns = row->info.ctime_ns,
		.mode = row->info.mode,
		.uid = row->info.uid,
		.gid = row->info.gid,
		.has_meta = meta != NULL,
		.content_sum = row->content_sum,
	};

	attrs.sum = file_attrs_sum(
		&attrs, row->info.ino, row->gen, row->info.name, blob_data(meta), blob_size(meta));
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)row->info.ino);
	sqlite3_bind_int64(stmt, 2, (sqlite3_int64)row->gen);
	sqlite3_bind_text(stmt, 3, row->info.name, -1, SQLITE_STATIC);
	if (meta)
		sqlite3_bind_blob64(stmt, 5, meta->data, meta->size, SQLITE_STATIC);
	return sqlite3_bind_blob(stmt, 4, &attrs, sizeof(attrs), SQLITE_TRANSIENT);
}

void file_row_bind_content(
	sqlite3_stmt *stmt, int column, struct file_row *row, const struct blob *content)
{
	row->info.size = blob_size(content);
	row->content_sum = row_sum(blob_data(content), blob_size(content), row->info.ino);
	sqlite3_bind_blob64(stmt, column, blob_data(content), blob_size(content), SQLITE_STATIC);
}

bool file_row_content_valid(sqlite3_stmt *stmt, int column, const struct file_row *row)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
		return false;
	const void *data = sqlite3_column_blob(stmt, column);
	size_t size = (size_t)sqlite3_column_bytes(stmt, column);

	return size == row->info.size && (data || size == 0) &&
	       row_sum(data ? data : "", size, row->info.ino) == row->content_sum;
}

int file_row_content(sqlite3_stmt *stmt, int column, const struct file_row *row, struct blob **ret)
{
	if (!file_row_content_valid(stmt, column, row))
		return -EIO;
	const void *data = sqlite3_column_blob(stmt, column);
	struct blob *content = blob_new(data ? data : "", row->info.size);

	if (!content)
		return -ENOMEM;
	*ret = content;
	return 0;
}

uint64_t doc_row_sum(uint64_t gen, uint64_t revision, const void *text, size_t size)
{
	return row_sum(text, size, row_sum(&revision, sizeof(revision), gen));
}
