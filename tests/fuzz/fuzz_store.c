/*
 * The local store's file: bytes anywhere in it, or rows with sums that fit (S3, F7). Whatever is in
 * it, each call answers, and what was not touched need not be right, but must be bounded.
 *
 * Input: a byte that chooses. 0: records of a 4-byte offset, a length and bytes to put over the
 * file. 1: SQL run on it. 2: bytes to put over values of rows. For the last two the sums of rows
 * are then made to fit.
 */
#include "fuzz.h"

#include "backend.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static char folder[] = "/dev/shm/turnfs-fuzz-XXXXXX";
static char path[sizeof folder + 16];
static uint8_t *pristine;
static size_t pristine_size;

static struct store *open_store(bool create)
{
	struct store *store = NULL;
	struct errtext error = {""};
	struct store_options options = {.create = create, .timeout_ms = 100, .grace_ms = 1000};
	int rc = store_open(path, &options, &store, &error);
	CHECK(rc < 0 ? error.text[0] != 0 : store != NULL);
	CHECK(!create || !rc);
	return rc < 0 ? NULL : store;
}

static void fill(struct store *store)
{
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t first;
		CHECK(store_reserve(store, 8, &first) == 0);
		struct thread_info info = {
			.gen = first, .ttl_ms = i == 2 ? 1 : 86400000, .doc.ino = first + 1};
		snprintf(info.id, sizeof info.id, "thread%d", (int)i);
		CHECK(store_thread_create(store, &info, STORE_DURABLE, &info) == 0);
		struct thread_ref ref = {info.id, info.gen};
		for (uint64_t j = 0; j < 4; j++) {
			struct blob *content = blob_new("some text of a turn, not long", 29);
			struct blob *meta = blob_new("{\"a\":1}", 7);
			struct turn_new turn = {.role = "user",
				.ino = first + 2 + j,
				.mode = 0600,
				.content = content,
				.meta = meta};
			uint32_t number;
			if (i < 2)
				CHECK(store_append(store, ref, NULL, &turn, 1, STORE_DURABLE, &info,
					      &number) == 0);
			blob_unref(content);
			blob_unref(meta);
		}
	}
	struct ledger_entry entry = {
		.id = "gone", .gen = 99, .cause = LEDGER_DELETED, .time_ms = 5};
	CHECK(store_ledger_add(store, &entry, 1) == 0);
}

static void remove_folder(void)
{
	char lock[sizeof path + 8];
	for (const char *const *end =
			(const char *const[]){"", "-wal", "-shm", "-journal", ".lock", NULL};
		*end; end++) {
		snprintf(lock, sizeof lock, "%s%s", path, *end);
		unlink(lock);
	}
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	CHECK(mkdtemp(folder));
	atexit(remove_folder);
	snprintf(path, sizeof path, "%s/s.db", folder);
	struct store *store = open_store(true);
	fill(store);
	store_close(store);
	FILE *file = fopen(path, "rb");
	pristine = malloc(1 << 20);
	pristine_size = fread(pristine, 1, 1 << 20, file);
	fclose(file);
	return 0;
}

static void put_bytes(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(pristine_size);
	memcpy(copy, pristine, pristine_size);
	while (size >= 5) {
		uint32_t at;
		memcpy(&at, data, 4);
		size_t length = data[4] % 64;
		data += 5;
		size -= 5;
		length = length < size ? length : size;
		at %= (uint32_t)pristine_size;
		length = length < pristine_size - at ? length : pristine_size - at;
		memcpy(copy + at, data, length);
		data += length;
		size -= length;
	}
	FILE *file = fopen(path, "wb");
	fwrite(copy, 1, pristine_size, file);
	fclose(file);
	free(copy);
}

static uint64_t sum_of(const void *data, int size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data ? data : "", (size_t)size, seed);
}

/* The sums of row.c made to fit what is there: `attrs` has `sum_at` bytes and then the sum. */
static void fit(sqlite3_stmt *read, sqlite3_stmt *write, int sum_at, bool is_file)
{
	uint8_t attrs[144];
	uint64_t key = (uint64_t)sqlite3_column_int64(read, 0), sum = key;
	if (sqlite3_column_bytes(read, 2) != sum_at + 8)
		return;
	memcpy(attrs, sqlite3_column_blob(read, 2), (size_t)sum_at + 8);
	if (is_file) {
		uint64_t gen = (uint64_t)sqlite3_column_int64(read, 5);
		uint64_t content =
			sum_of(sqlite3_column_blob(read, 4), sqlite3_column_bytes(read, 4), key);
		memcpy(attrs + sum_at - 8, &content, 8);
		sum = sum_of(&gen, sizeof gen, key);
	}
	sum = sum_of(sqlite3_column_text(read, 1), sqlite3_column_bytes(read, 1), sum);
	if (is_file)
		sum = sum_of(sqlite3_column_blob(read, 3), sqlite3_column_bytes(read, 3), sum);
	sum = sum_of(attrs, sum_at, sum);
	memcpy(attrs + sum_at, &sum, 8);
	sqlite3_bind_blob(write, 1, attrs, sum_at + 8, SQLITE_TRANSIENT);
	sqlite3_bind_int64(write, 2, (int64_t)key);
	sqlite3_step(write);
	sqlite3_reset(write);
}

static void fit_sums(sqlite3 *db, bool is_file)
{
	sqlite3_stmt *read = NULL, *write = NULL;
	const char *select = is_file ? "SELECT ino, name, attrs, meta, content, gen FROM files"
				     : "SELECT gen, id, attrs FROM threads";
	const char *update = is_file ? "UPDATE files SET attrs=?1 WHERE ino=?2"
				     : "UPDATE threads SET attrs=?1 WHERE gen=?2";
	if (!sqlite3_prepare_v2(db, select, -1, &read, NULL) &&
		!sqlite3_prepare_v2(db, update, -1, &write, NULL))
		while (sqlite3_step(read) == SQLITE_ROW)
			fit(read, write, is_file ? 56 : 136, is_file);
	sqlite3_finalize(read);
	sqlite3_finalize(write);
}

/* Records of table and column, row, offset, length and bytes to put over the value. */
static void poke_rows(sqlite3 *db, const uint8_t *data, size_t size)
{
	static const char *const columns[][2] = {{"threads", "attrs"}, {"threads", "id"},
		{"files", "attrs"}, {"files", "name"}, {"files", "meta"}, {"files", "content"},
		{"docs", "text"}, {"meta", "value"}};
	while (size > 4) {
		const char *const *column = columns[data[0] % 8];
		size_t length = data[3] % 16 < size - 4 ? data[3] % 16 : size - 4;
		sqlite3_stmt *stmt = NULL;
		char sql[400], hex[40] = "";
		for (size_t i = 0; i < length; i++)
			snprintf(hex + 2 * i, 3, "%02x", data[4 + i]);
		snprintf(sql, sizeof sql,
			"UPDATE %s SET %s = CAST(substr(CAST(%s AS BLOB), 1, %d) || x'%s' ||"
			" substr(CAST(%s AS BLOB), %d) AS %s) WHERE rowid IN"
			" (SELECT rowid FROM %s ORDER BY rowid LIMIT 1 OFFSET %d)",
			column[0], column[1], column[1], data[2], hex, column[1],
			data[2] + (int)length + 1,
			column[1][0] == 'i' || column[1][0] == 'n' ? "TEXT" : "BLOB", column[0],
			data[1] % 8);
		if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
			sqlite3_step(stmt);
		sqlite3_finalize(stmt);
		data += 4 + length;
		size -= 4 + length;
	}
}

static int no_files(
	void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
	return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

static int stop(void *arg)
{
	return ++*(int *)arg > 200; /* of 1000 instructions each: no endless SQL */
}

static void put_rows(const uint8_t *data, size_t size, bool is_sql)
{
	sqlite3 *db;
	int steps = 0;
	put_bytes(NULL, 0);
	char *sql = fuzz_string(data, size);
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	sqlite3_set_authorizer(db, no_files, NULL);
	sqlite3_progress_handler(db, 1000, stop, &steps);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_exec(
		db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL);
	if (is_sql)
		sqlite3_exec(db, sql, NULL, NULL, NULL);
	else
		poke_rows(db, data, size);
	sqlite3_progress_handler(db, 0, NULL, NULL);
	fit_sums(db, false);
	fit_sums(db, true);
	sqlite3_exec(db, "COMMIT; PRAGMA journal_mode=WAL", NULL, NULL, NULL);
	sqlite3_close(db);
	free(sql);
}

static void read_files(struct store *store, struct thread_ref ref)
{
	char after[STORE_NAME_MAX + 1] = "";
	for (int i = 0; i < 50; i++) {
		struct file_page page;
		if (store_file_list(store, ref, after, 2, i % 2, &page) < 0)
			break;
		for (size_t j = 0; j < page.count; j++) {
			struct blob *content;
			struct file_info info;
			CHECK(strlen(page.items[j].name) <= STORE_NAME_MAX);
			if (store_file_read(store, ref, page.items[j].name, &content, &info) == 0) {
				CHECK(blob_size(content) == info.size);
				blob_unref(content);
				file_info_done(&info);
			}
			snprintf(after, sizeof after, "%s", page.items[j].name);
		}
		bool more = page.more && page.count;
		file_page_done(&page);
		if (!more)
			break;
	}
	for (uint32_t number = 1; number < 6; number++) {
		struct file_info info;
		if (store_turn_stat(store, ref, number, &info) == 0)
			file_info_done(&info);
	}
}

static void change(struct store *store, struct thread_ref ref)
{
	struct thread_info info;
	struct blob *content = blob_new("new", 3);
	struct turn_new turn = {.role = "user", .ino = 1 << 20, .content = content};
	uint32_t number;
	store_append(store, ref, NULL, &turn, 1, STORE_RENEW | STORE_REVIVE, &info, &number);
	struct change changes[2] = {{.kind = CHANGE_PUT,
					    .name = "000002-user.md",
					    .expect = STORE_REVISION_ANY,
					    .set = SET_CONTENT,
					    .ino = (1 << 20) + 1,
					    .content = content},
		{.kind = CHANGE_RENAME,
			.name = "000001-user.md",
			.expect = STORE_REVISION_ANY,
			.to = "x",
			.to_expect = STORE_REVISION_ANY}};
	store_apply(store, ref, NULL, changes, 2, STORE_RENEW, &info);
	store_thread_remove(store, ref, 1, NULL);
	blob_unref(content);
}

static void use(struct store *store)
{
	for (int state = THREAD_LIVE; state <= THREAD_GRACE; state++) {
		uint64_t after = 0;
		for (int i = 0; i < 50; i++) {
			struct thread_page page;
			if (store_thread_list(store, state, after, 2, &page) < 0)
				break;
			for (size_t j = 0; j < page.count; j++) {
				struct thread_ref ref = {page.items[j].id, page.items[j].gen};
				struct blob *doc = NULL;
				uint64_t revision;
				struct thread_info info;
				CHECK(page.items[j].last_turn <= STORE_TURN_MAX);
				store_thread_find(store, ref.id, &info);
				if (store_doc_read(store, ref, &doc, &revision) == 0)
					blob_unref(doc);
				read_files(store, ref);
				change(store, ref);
				after = ref.gen;
			}
			bool more = page.more && page.count;
			thread_page_done(&page);
			if (!more)
				break;
		}
	}
	struct ledger_page ledger;
	if (store_ledger_list(store, 0, 100, &ledger) == 0)
		ledger_page_done(&ledger);
	struct store_usage usage;
	struct store_health health;
	struct root_info root;
	size_t purged;
	store_usage(store, &usage);
	store_health(store, true, &health);
	store_root_get(store, &root);
	store_purge(store, 0, 100, &purged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char other[sizeof path + 8];
	if (!size)
		return 0;
	for (const char *const *end = (const char *const[]){"-wal", "-shm", "-journal", NULL}; *end;
		end++) {
		snprintf(other, sizeof other, "%s%s", path, *end);
		unlink(other);
	}
	if (data[0] % 3 == 0)
		put_bytes(data + 1, size - 1);
	else
		put_rows(data + 1, size - 1, data[0] % 3 == 1);
	chmod(path, 0600);
	struct store *store = open_store(false);
	if (store)
		use(store);
	store_close(store);
	return 0;
}
