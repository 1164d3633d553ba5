/* Names: N1 to N4. */
#include "base/name.h"

#include "unit.h"

#include <errno.h>
#include <string.h>

static void test_N1__thread_names(void **state)
{
	static const struct {
		const char *name;
		int thread, file;
	} rows[] = {
		{"a", 0, 0},
		{"-rf", 0, 0},
		{"a b", 0, 0},
		{":*{}", 0, 0},
		{"Ä€😀", 0, 0},
		{"%2F", 0, 0},
		{"a.b@c", 0, 0},
		{"~", 0, 0},
		{".a", -EINVAL, 0},
		{"...", -EINVAL, 0},
		{".", -EINVAL, -EINVAL},
		{"..", -EINVAL, -EINVAL},
		{"@a", -EINVAL, -EINVAL},
		{"", -EINVAL, -EINVAL},
		{"a/b", -EINVAL, -EINVAL},
		{"a\nb", -EINVAL, -EINVAL},
		{"\x01", -EINVAL, -EINVAL},
		{"a\x7f", -EINVAL, -EINVAL},
		{"\xc2\x85", -EINVAL, -EINVAL},
		{"\xc2\x9f", -EINVAL, -EINVAL},
		{"\xc2\xa0", 0, 0},
		{"\xe2\x80\xa8", -EINVAL, -EINVAL},
		{"\xe2\x80\xa9", -EINVAL, -EINVAL},
		{"\xe2\x80\xae", -EINVAL, -EINVAL},
		{"\xe2\x81\xa6", -EINVAL, -EINVAL},
		{"\xe2\x80\x8e", -EINVAL, -EINVAL},
		{"\xd8\x9c", -EINVAL, -EINVAL},
		{"\xe2\x80\x8d", 0, 0},
		{"\xff", -EINVAL, -EINVAL},
		{"\xc0\xaf", -EINVAL, -EINVAL},
		{"\xed\xa0\x80", -EINVAL, -EINVAL},
		{"a\xe2\x82", -EINVAL, -EINVAL},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(name_thread_check(rows[i].name), rows[i].thread);
		assert_int_equal(name_file_check(rows[i].name), rows[i].file);
	}
}

static void test_N1__length__255_bytes(void **state)
{
	char name[300];
	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	assert_int_equal(name_thread_check(name), 0);
	assert_int_equal(name_file_check(name), 0);
	name[255] = 'x';
	name[256] = '\0';
	assert_int_equal(name_thread_check(name), -ENAMETOOLONG);
	assert_int_equal(name_file_check(name), -ENAMETOOLONG);
}

static void test_N2__turn_names(void **state)
{
	static const struct {
		const char *name;
		uint32_t number; /* 0: no turn */
		const char *role;
	} rows[] = {
		{"000001-user.md", 1, "user"},
		{"999999-a.md", 999999, "a"},
		{"000042-a_b-9.md", 42, "a_b-9"},
		{"000001--x.md", 0, ""},
		{"0000001-user.md", 0, ""},
		{"000000-user.md", 0, ""},
		{"000001-USER.md", 0, ""},
		{"00001-user.md", 0, ""},
		{"000001-user.MD", 0, ""},
		{"000001-user.md~", 0, ""},
		{"000001-user", 0, ""},
		{"000001-.md", 0, ""},
		{"000001.md", 0, ""},
		{"000001-9a.md", 0, ""},
		{"00000x-user.md", 0, ""},
		{"", 0, ""},
		{"000001", 0, ""},
		{"000001-", 0, ""},
		{"000001-us er.md", 0, ""},
		{"thread.json", 0, ""},
		{"000001-abcdefghijklmnopqrstuvwxyzabcdef.md", 1,
			"abcdefghijklmnopqrstuvwxyzabcdef"},
		{"000001-abcdefghijklmnopqrstuvwxyzabcdefg.md", 0, ""},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint32_t number = 0;
		char role[ROLE_MAX_BYTES + 1] = "", name[NAME_MAX_BYTES + 1];
		assert_int_equal(name_turn_parse(rows[i].name, &number, role), rows[i].number != 0);
		assert_int_equal(number, rows[i].number);
		assert_string_equal(role, rows[i].role);
		assert_int_equal(name_turn_parse(rows[i].name, NULL, NULL), rows[i].number != 0);
		if (number == 0)
			continue;
		name_turn_format(name, number, role);
		assert_string_equal(name, rows[i].name);
		assert_true(name_role_valid(role));
	}
}

static void test_N3__scratch_files(void **state)
{
	static const struct {
		const char *name;
		bool scratch;
	} rows[] = {{".x.swp", true}, {"x~", true}, {"~x", false}, {"x", false}, {"", false},
		{"000001-user.md", false}, {"000001-user.md~", true}};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(name_is_scratch(rows[i].name), rows[i].scratch);
}

static void test_N4__shown_ids__reversible_and_distinct(void **state)
{
	static const struct {
		const char *id;
		size_t size;
		const char *shown;
	} rows[] = {
		{"plain", 5, "plain"},
		{"100%", 4, "100%"},
		{"a%41", 4, "a%41"},
		{"a/b", 3, "a%2Fb"},
		{"a%2Fb", 5, "a%252Fb"},
		{"a%252Fb", 7, "a%25252Fb"},
		{"a%2fb", 5, "a%2fb"},
		{".a", 2, "%2Ea"},
		{"@a", 2, "%40a"},
		{"a\0", 2, "a%00"},
		{"\xff%", 2, "%FF%25"},
		{"\xc2\x85", 2, "%C2%85"},
		{"é/", 3, "é%2F"},
		{"..", 2, "%2E."},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char shown[NAME_MAX_BYTES + 1], id[NAME_MAX_BYTES + 1];
		unsigned long size;
		assert_int_equal(name_encode(rows[i].id, rows[i].size, shown), 0);
		assert_string_equal(shown, rows[i].shown);
		assert_int_equal(name_thread_check(shown), 0);
		name_decode(shown, id, &size);
		assert_int_equal(size, rows[i].size);
		assert_memory_equal(id, rows[i].id, size);
	}
}

static void test_N4__what_does_not_fit__is_refused(void **state)
{
	char id[NAME_MAX_BYTES], shown[NAME_MAX_BYTES + 1] = "untouched";
	memset(id, '/', sizeof(id));
	assert_int_equal(name_encode(id, 86, shown), -ENAMETOOLONG);
	assert_int_equal(name_encode(id, 0, shown), -EINVAL);
	assert_string_equal(shown, "untouched");
	assert_int_equal(name_encode(id, 85, shown), 0);
	assert_int_equal(strlen(shown), 255);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_N1__thread_names),
		cmocka_unit_test(test_N1__length__255_bytes),
		cmocka_unit_test(test_N2__turn_names),
		cmocka_unit_test(test_N3__scratch_files),
		cmocka_unit_test(test_N4__shown_ids__reversible_and_distinct),
		cmocka_unit_test(test_N4__what_does_not_fit__is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
