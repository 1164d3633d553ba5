/* thread.json (M3, M1): a text written over a thread of a store in memory, and read back. */
#include "fuzz.h"

#include "conflict.h"
#include "doc.h"
#include "expiry.h"
#include "file.h"
#include "lineage.h"
#include "notify.h"

#include "base/json.h"

/* What the mount would do around it. */
int64_t fs_now_ns(struct fs *fs)
{
	return 1700000000 * INT64_C(1000000000);
}

void fs_commit_ended(struct fs *fs, int rc) {}

unsigned fs_durable(const struct fs *fs)
{
	return 0;
}

bool thread_alive(struct fs *fs, const struct thread *thread)
{
	return true;
}

void thread_update(struct fs *fs, struct thread *thread, const struct thread_info *info)
{
	thread->revision = info->revision;
}

void node_pin(struct node *node) {}

void node_unpin(struct fs *fs, struct node *node) {}

void notify_inode(struct fs *fs, const struct node *node, bool data) {}

void expiry_add(struct fs *fs, uint64_t gen, int64_t at_ms) {}

void expiry_committed(
	struct fs *fs, struct thread *thread, const struct thread_info *info, uint64_t ino)
{
}

void expiry_refused(struct fs *fs, struct thread *thread, int rc, const char *what) {}

void conflict_keep(struct fs *fs, struct thread *thread, const char *name,
	const struct file_info *info, struct blob *content)
{
}

void lineage_adopt(struct fs *fs, struct file *file, uint64_t revision) {}

static struct blob *read_back(struct fs *fs, struct thread *thread)
{
	struct blob *text = NULL;
	CHECK(doc_text(fs, thread, &text) == 0);
	json_t *doc = json_parse(blob_data(text), blob_size(text));
	CHECK(json_is_object(doc) && json_is_object(json_object_get(doc, "turns")));
	json_decref(doc);
	return text;
}

static struct blob *without_times(const struct blob *text)
{
	json_t *doc = json_parse(blob_data(text), blob_size(text));
	json_object_del(doc, "expires_at");
	json_object_del(doc, "updated_at");
	struct blob *rest = json_text(doc, 0);
	json_decref(doc);
	return rest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs fs = {0};
	struct errtext error;
	struct thread_name *name = calloc(1, sizeof *name + 2);
	struct thread thread = {.id = name, .gen = 1};
	struct thread_info info = {.id = "t", .gen = 1, .ttl_ms = 86400000, .doc.ino = 2};
	struct turn_new turn = {.role = "user", .ino = 3, .content = blob_new("x", 1)};
	uint32_t first;
	name->text[0] = 't';
	pthread_mutex_init(&fs.lock, NULL);
	CHECK(store_open("memory:", &(struct store_options){.create = true}, &fs.store, &error) ==
		0);
	CHECK(store_thread_create(fs.store, &info, 0, &info) == 0);
	CHECK(store_append(fs.store, thread_ref(&thread), NULL, &turn, 1, 0, &info, &first) == 0);

	struct blob *text = blob_new(data, size);
	int rc = doc_write(&fs, &thread, text, NULL, NULL, NULL);
	/* ESTALE should not be: a turn that is named twice, see tests/model/test_found.py */
	CHECK(rc == 0 || rc == -EBADMSG || rc == -ESTALE);
	blob_unref(text);
	struct blob *once = read_back(&fs, &thread);
	/* What it says of itself can be written back and changes nothing. */
	CHECK(doc_write(&fs, &thread, once, NULL, NULL, NULL) == 0);
	struct blob *twice = read_back(&fs, &thread);
	struct blob *one = without_times(once), *two = without_times(twice);
	CHECK(blob_size(one) == blob_size(two) &&
		!memcmp(blob_data(one), blob_data(two), blob_size(one)));
	blob_unref(one);
	blob_unref(two);
	blob_unref(once);
	blob_unref(twice);
	blob_unref(turn.content);
	store_close(fs.store);
	free(name);
	return 0;
}
