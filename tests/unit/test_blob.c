/* Blobs: shared, owned, written, resized; and base64 of them. */
#include "base/base64.h"
#include "base/blob.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static void test_blob__new__copies_and_ends_with_NUL(void **state)
{
	char data[] = "a\0b";
	struct blob *blob CLEAN_BLOB = blob_new(data, 3);
	data[0] = 'x';
	assert_memory_equal(blob->data, "a\0b", 4);
	assert_int_equal(blob_size(blob), 3);
}

static void test_blob__NULL__is_empty(void **state)
{
	assert_int_equal(blob_size(NULL), 0);
	assert_string_equal(blob_data(NULL), "");
	assert_null(blob_ref(NULL));
	blob_unref(NULL);
}

static void test_blob__own_of_a_shared_one__copies(void **state)
{
	struct blob *a CLEAN_BLOB = blob_new("text", 4), *b CLEAN_BLOB = blob_ref(a);
	assert_int_equal(blob_write(&b, 0, "T", 1), 0);
	assert_string_equal(a->data, "text");
	assert_string_equal(b->data, "Text");
	struct blob *same = b;
	assert_int_equal(blob_own(&b, 2), 0);
	assert_ptr_equal(b, same);
}

static void test_blob__write_behind_the_end__fills_the_gap_with_NUL(void **state)
{
	struct blob *blob CLEAN_BLOB = NULL;
	assert_int_equal(blob_write(&blob, 3, "xy", 2), 0);
	assert_int_equal(blob_size(blob), 5);
	assert_memory_equal(blob->data, "\0\0\0xy", 6);
	assert_int_equal(blob_resize(&blob, 4), 0);
	assert_int_equal(blob_resize(&blob, 6), 0);
	assert_memory_equal(blob->data, "\0\0\0x\0\0", 7);
}

static void test_blob__many_small_writes__are_one_run(void **state)
{
	struct blob *blob CLEAN_BLOB = NULL;
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(blob_write(&blob, i, i % 2 ? "b" : "a", 1), 0);
	assert_int_equal(strspn(blob->data, "ab"), 10000);
}

static void test_blob__absurd_sizes__ENOMEM_and_unchanged(void **state)
{
	struct blob *blob CLEAN_BLOB = blob_new("text", 4);
	assert_int_equal(blob_write(&blob, SIZE_MAX, "x", 1), -ENOMEM);
	assert_int_equal(blob_write(&blob, PTRDIFF_MAX, "x", 1), -ENOMEM);
	assert_int_equal(blob_resize(&blob, SIZE_MAX), -ENOMEM);
	assert_string_equal(blob->data, "text");
}

static void test_base64__both_ways(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *text;
	} rows[] = {{"", 0, ""}, {"f", 1, "Zg=="}, {"fo", 2, "Zm8="}, {"foo", 3, "Zm9v"},
		{"foob", 4, "Zm9vYg=="}, {"\xff\xfe\x00", 3, "//4A"}};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct blob *text CLEAN_BLOB = base64_encode(rows[i].bytes, rows[i].size);
		assert_string_equal(text->data, rows[i].text);
		struct blob *bytes CLEAN_BLOB = base64_decode(text->data, text->size);
		assert_int_equal(blob_size(bytes), rows[i].size);
		assert_memory_equal(blob_data(bytes), rows[i].bytes, rows[i].size);
	}
}

static void test_base64__anything_else__is_refused(void **state)
{
	static const char *const rows[] = {"Z", "Zg",
		"Zg=", "Zg===", "====", "Zh==", "Zm9=", "Zm9v\n", "Zm-_", "Z===", "=m9v"};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_null(base64_decode(rows[i], strlen(rows[i])));
	assert_null(base64_decode("Zg\0=", 4));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blob__new__copies_and_ends_with_NUL),
		cmocka_unit_test(test_blob__NULL__is_empty),
		cmocka_unit_test(test_blob__own_of_a_shared_one__copies),
		cmocka_unit_test(test_blob__write_behind_the_end__fills_the_gap_with_NUL),
		cmocka_unit_test(test_blob__many_small_writes__are_one_run),
		cmocka_unit_test(test_blob__absurd_sizes__ENOMEM_and_unchanged),
		cmocka_unit_test(test_base64__both_ways),
		cmocka_unit_test(test_base64__anything_else__is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
