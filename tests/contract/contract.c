/* The fixture and the helpers of the contract suite; `contract BACKEND` runs it. */
#include "contract.h"
#include "server.h"

#include "base/log.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_NS (INT64_C(1800000000) * 1000 * MS_NS)

static const struct backend_kind kinds[] = {
	{.name = "memory", .where = "memory:"},
	{.name = "sqlite", .where = "sqlite:%s/store.db", .persistent = true, .file = true},
	{.name = "redis", .where = "redis+unix://%s", .persistent = true, .server = "redis-server"},
	{.name = "valkey",
		.where = "redis+unix://%s",
		.persistent = true,
		.server = "valkey-server"},
};

const struct backend_kind *contract_backend;
static const char *server_socket;
static unsigned stores_made;

int contract_open(struct fixture *f, const struct store_options *options, struct store **ret,
	struct errtext *error)
{
	return store_open(f->where, options, ret, error);
}

void contract_open_fixture(struct fixture *f)
{
	struct errtext error = {0};
	struct store_options options = {
		.create = true,
		.timeout_ms = 2000,
		.grace_ms = GRACE_H * HOUR_MS,
		.clock = &f->clock.clock,
		.server.prefix = f->prefix,
	};
	if (contract_open(f, &options, &f->store, &error) < 0)
		fail_msg("%s: %s", f->where, error.text);
}

int contract_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *parent = getenv("TMPDIR");
	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "%s/turnfs-contract-XXXXXX", parent ? parent : "/var/tmp");
	assert_non_null(mkdtemp(f->dir));
	const char *directory = strstr(contract_backend->where, "%s");
	int before = directory ? (int)(directory - contract_backend->where) : -1;
	if (directory)
		snprintf(f->where, sizeof(f->where), "%.*s%s%s", before, contract_backend->where,
			server_socket ? server_socket : f->dir, directory + 2);
	else
		snprintf(f->where, sizeof(f->where), "%s", contract_backend->where);
	snprintf(f->prefix, sizeof(f->prefix), "t%u:", ++stores_made);
	clock_manual_init(&f->clock, START_NS);
	contract_open_fixture(f);
	*state = f;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *place)
{
	return remove(path);
}

int contract_teardown(void **state)
{
	struct fixture *f = *state;
	store_close(f->store);
	nftw(f->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

void needs_persistence(struct fixture *f)
{
	if (!contract_backend->persistent)
		skip();
}

void needs_file(struct fixture *f)
{
	if (!contract_backend->file)
		skip();
}

void needs_server(struct fixture *f)
{
	if (!contract_backend->server)
		skip();
}

void needs_purging(struct fixture *f)
{
	if (contract_backend->server)
		skip();
}

void contract_reopen(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
	contract_open_fixture(f);
}

void advance_ms(struct fixture *f, int64_t ms)
{
	clock_manual_advance(&f->clock, ms * MS_NS);
}

int64_t now_ns(struct fixture *f)
{
	return f->clock.clock.now_ns(&f->clock.clock);
}

uint64_t reserve(struct fixture *f)
{
	uint64_t first = 0;
	assert_int_equal(store_reserve(f->store, 1, &first), 0);
	return first;
}

int try_thread(struct fixture *f, const char *id, int64_t ttl_ms, struct thread_info *ret)
{
	struct thread_info info = {
		.gen = reserve(f),
		.mode = 0755,
		.uid = 1000,
		.gid = 1001,
		.created_ns = now_ns(f),
		.mtime_ns = now_ns(f) + 1,
		.ctime_ns = now_ns(f) + 2,
		.ttl_ms = ttl_ms,
		.doc = {.ino = reserve(f),
			.flags = 3,
			.mode = 0600,
			.uid = 7,
			.gid = 8,
			.mtime_ns = 11,
			.ctime_ns = 12},
	};
	snprintf(info.id, sizeof(info.id), "%s", id);
	return store_thread_create(f->store, &info, 0, ret);
}

struct thread_info make_thread(struct fixture *f, const char *id)
{
	struct thread_info info;
	assert_int_equal(try_thread(f, id, HOUR_MS, &info), 0);
	return info;
}

void assert_same_root(const struct root_info *a, const struct root_info *b)
{
	assert_true(a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
	assert_true(a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns);
}

void assert_same_thread(const struct thread_info *a, const struct thread_info *b)
{
	assert_string_equal(a->id, b->id);
	assert_true(a->gen == b->gen && a->revision == b->revision && a->life == b->life);
	assert_true(a->last_turn == b->last_turn && a->turns == b->turns);
	assert_true(a->files == b->files && a->bytes == b->bytes);
	assert_true(a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
	assert_true(a->created_ns == b->created_ns && a->mtime_ns == b->mtime_ns);
	assert_true(a->ctime_ns == b->ctime_ns && a->ttl_ms == b->ttl_ms);
	assert_true(a->deadline_ms == b->deadline_ms);
	assert_true(a->doc.ino == b->doc.ino && a->doc.revision == b->doc.revision);
	assert_true(a->doc.flags == b->doc.flags && a->doc.mode == b->doc.mode);
	assert_true(a->doc.uid == b->doc.uid && a->doc.gid == b->doc.gid);
	assert_true(a->doc.mtime_ns == b->doc.mtime_ns && a->doc.ctime_ns == b->doc.ctime_ns);
}

struct thread_info stat_thread(struct fixture *f, const struct thread_info *thread)
{
	struct thread_info info;
	assert_int_equal(store_thread_stat(f->store, ref_of(thread), &info), 0);
	return info;
}

int try_put(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect,
	const char *text, unsigned flags, uint64_t *ret_revision)
{
	struct blob *content CLEAN_BLOB = blob_new(text, strlen(text));
	struct change change = {
		.kind = CHANGE_PUT,
		.name = name,
		.expect = expect,
		.set = SET_CONTENT,
		.ino = reserve(f),
		.mode = 0640,
		.uid = 1000,
		.gid = 1001,
		.mtime_ns = now_ns(f),
		.content = content,
	};
	struct thread_change all = {.time_ns = now_ns(f)};
	int r = store_apply(f->store, ref_of(thread), &all, &change, 1, flags, thread);
	if (r == 0 && ret_revision)
		*ret_revision = change.ret_revision;
	return r;
}

uint64_t put(struct fixture *f, struct thread_info *thread, const char *name, const char *text)
{
	uint64_t revision = 0;
	assert_int_equal(
		try_put(f, thread, name, STORE_REVISION_ANY, text, STORE_RENEW, &revision), 0);
	return revision;
}

int try_rename(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect,
	const char *to, uint64_t to_expect)
{
	struct change change = {
		.kind = CHANGE_RENAME,
		.name = name,
		.expect = expect,
		.to = to,
		.to_expect = to_expect,
	};
	struct thread_change all = {.time_ns = now_ns(f)};
	return store_apply(f->store, ref_of(thread), &all, &change, 1, 0, thread);
}

int try_remove(struct fixture *f, struct thread_info *thread, const char *name, uint64_t expect)
{
	struct change change = {.kind = CHANGE_REMOVE, .name = name, .expect = expect};
	struct thread_change all = {.time_ns = now_ns(f)};
	return store_apply(f->store, ref_of(thread), &all, &change, 1, 0, thread);
}

int try_append(struct fixture *f, const struct thread_info *thread, const char *role,
	const char *text, unsigned flags, uint32_t *ret_number)
{
	struct blob *content CLEAN_BLOB = blob_new(text, strlen(text));
	struct turn_new turn = {
		.role = role,
		.ino = reserve(f),
		.mode = 0600,
		.mtime_ns = now_ns(f),
		.content = content,
	};
	struct thread_change all = {.time_ns = now_ns(f)};
	struct thread_info info;
	return store_append(f->store, ref_of(thread), &all, &turn, 1, flags, &info, ret_number);
}

struct file_info stat_file(struct fixture *f, const struct thread_info *thread, const char *name)
{
	struct file_info info;
	assert_int_equal(store_file_stat(f->store, ref_of(thread), name, &info), 0);
	return info;
}

bool has_file(struct fixture *f, const struct thread_info *thread, const char *name)
{
	struct file_info info = {0};
	int r = store_file_stat(f->store, ref_of(thread), name, &info);
	assert_true(r == 0 || r == -ENOENT);
	file_info_done(&info);
	return r == 0;
}

void assert_content(
	struct fixture *f, const struct thread_info *thread, const char *name, const char *text)
{
	struct blob *content CLEAN_BLOB = NULL;
	struct file_info info = {0};
	assert_int_equal(store_file_read(f->store, ref_of(thread), name, &content, &info), 0);
	assert_string_equal(blob_data(content), text);
	assert_int_equal(blob_size(content), strlen(text));
	assert_int_equal(info.size, strlen(text));
	assert_string_equal(info.name, name);
	file_info_done(&info);
}

void assert_names(
	struct fixture *f, const struct thread_info *thread, size_t limit, const char *names)
{
	char seen[16384] = "", after[STORE_NAME_MAX + 1] = "";
	for (bool more = true; more;) {
		struct file_page page;
		assert_int_equal(
			store_file_list(f->store, ref_of(thread), after, limit, false, &page), 0);
		assert_true(page.count <= limit);
		assert_null(page.contents);
		for (size_t i = 0; i < page.count; i++) {
			snprintf(after, sizeof(after), "%s", page.items[i].name);
			strcat(strcat(seen, after), " ");
		}
		more = page.more;
		assert_true(page.count > 0 || !more);
		file_page_done(&page);
	}
	assert_string_equal(seen, names);
}

void assert_threads(struct fixture *f, enum thread_state state, size_t limit, const char *ids)
{
	char seen[16384] = "";
	uint64_t after = 0;
	for (bool more = true; more;) {
		struct thread_page page;
		assert_int_equal(store_thread_list(f->store, state, after, limit, &page), 0);
		assert_true(page.count <= limit);
		for (size_t i = 0; i < page.count; i++) {
			assert_true(page.items[i].gen > after);
			after = page.items[i].gen;
			strcat(strcat(seen, page.items[i].id), " ");
		}
		more = page.more;
		assert_true(page.count > 0 || !more);
		thread_page_done(&page);
	}
	assert_string_equal(seen, ids);
}

size_t purge_all(struct fixture *f, int64_t grace_ms)
{
	size_t total = 0, purged = 1;
	for (; purged > 0; total += purged)
		assert_int_equal(store_purge(f->store, grace_ms, 100, &purged), 0);
	return total;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			contract_backend = &kinds[i];
	if (!contract_backend) {
		fprintf(stderr, "usage: contract memory|sqlite|redis|valkey\n");
		return 2;
	}
	log_init(false, LOG_LEVEL_WARNING);
	if (contract_backend->server && !server_is_there(contract_backend->server)) {
		fprintf(stderr, "skipped: %s is not installed\n", contract_backend->server);
		return 77; /* meson's exit status for it */
	}
	if (contract_backend->server)
		server_socket = server_start(contract_backend->server);
	int failed = contract_threads() + contract_files() + contract_renames() +
		     contract_appends() + contract_time() + contract_purge() + contract_ledger() +
		     contract_store() + contract_restart() + contract_concurrent() +
		     contract_shared();
	server_stop();
	return failed ? 1 : 0;
}
