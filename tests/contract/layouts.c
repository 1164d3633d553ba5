/* What the mount never asks of a chat server's store in one step, and backend.h allows. */
#include "backend.h"

#include "server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *path;

static struct store *open_layout(const char *layout)
{
	char where[256];
	struct store *store = NULL;
	struct errtext error = {""};
	const struct store_options options = {
		.timeout_ms = 5000, .server = {.layout = layout, .match = "*talk*"}};
	snprintf(where, sizeof(where), "redis+unix://%s", path);
	assert_int_equal(store_open(where, &options, &store, &error), 0);
	return store;
}

static int setup(void **state)
{
	server_command("FLUSHALL");
	server_command(
		"RPUSH talk {\"role\":\"user\",\"additional_kwargs\":{},\"blocks\":[{\"block_"
		"type\":\"text\",\"text\":\"hi\"}]}");
	return 0;
}

static struct change put(const char *name, struct blob *content)
{
	return (struct change){.kind = CHANGE_PUT,
		.name = name,
		.expect = STORE_REVISION_NONE,
		.set = SET_CONTENT,
		.mode = 0600,
		.content = content};
}

static struct change gone(const char *name)
{
	return (struct change){.kind = CHANGE_REMOVE, .name = name, .expect = STORE_REVISION_ANY};
}

static void check_turns(struct store *store, struct thread_ref ref, uint32_t count)
{
	struct thread_info info;
	assert_int_equal(store_thread_stat(store, ref, &info), 0);
	assert_int_equal(info.turns, count);
	assert_int_equal(server_command("LLEN talk"), count);
}

/* The first turn as the server has it, not as a store remembers it. */
static void check_text(struct thread_ref ref, const char *expected)
{
	struct store *store = open_layout("llamaindex");
	struct blob *content;
	assert_int_equal(store_file_read(store, ref, "000001-user.md", &content, NULL), 0);
	assert_int_equal(blob_size(content), strlen(expected));
	assert_memory_equal(blob_data(content), expected, strlen(expected));
	blob_unref(content);
	store_close(store);
}

static void test_W10__a_turn_is_made_and_removed_in_one_step__the_one_before_it_stays(void **state)
{
	struct store *store = open_layout("llamaindex");
	struct blob *text = blob_new("two", 3);
	struct thread_info info;
	assert_int_equal(store_thread_find(store, "talk", &info), 0);
	const struct thread_ref ref = {"talk", info.gen};
	struct change changes[] = {put("000002-user.md", text), gone("000002-user.md")};
	assert_int_equal(store_apply(store, ref, NULL, changes, 2, STORE_DURABLE, &info), 0);
	check_turns(store, ref, 1);
	check_text(ref, "hi");
	struct change three[] = {
		put("000002-user.md", text), put("000003-user.md", text), gone("000002-user.md")};
	assert_int_equal(store_apply(store, ref, NULL, three, 3, STORE_DURABLE, &info), -EPERM);
	check_turns(store, ref, 1);
	blob_unref(text);
	store_close(store);
}

static void test_W10__the_last_turn_is_removed_and_made_in_one_step__it_is_written_over(
	void **state)
{
	struct store *store = open_layout("llamaindex");
	struct blob *text = blob_new("other", 5);
	struct thread_info info;
	assert_int_equal(store_thread_find(store, "talk", &info), 0);
	const struct thread_ref ref = {"talk", info.gen};
	struct change changes[] = {gone("000001-user.md"), put("000001-user.md", text)};
	assert_int_equal(store_apply(store, ref, NULL, changes, 2, STORE_DURABLE, &info), 0);
	check_turns(store, ref, 1);
	check_text(ref, "other");
	blob_unref(text);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_W10__a_turn_is_made_and_removed_in_one_step__the_one_before_it_stays,
			setup),
		cmocka_unit_test_setup(
			test_W10__the_last_turn_is_removed_and_made_in_one_step__it_is_written_over,
			setup),
	};
	if (!server_is_there("redis-server"))
		return 77; /* meson: skipped */
	path = server_start("redis-server");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop();
	return failed;
}
