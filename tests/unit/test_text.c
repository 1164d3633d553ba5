/* Times, spans and sizes in words; UTF-8; sentences; the clock. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/errtext.h"
#include "base/text.h"
#include "base/utf8.h"

#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_NS INT64_C(1000000000)

static void test_M2__times__are_written_in_UTC(void **state)
{
	static const struct {
		int64_t ns;
		const char *nine, *none;
	} rows[] = {
		{0, "1970-01-01T00:00:00.000000000Z", "1970-01-01T00:00:00Z"},
		{-1, "1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59Z"},
		{-S_NS, "1969-12-31T23:59:59.000000000Z", "1969-12-31T23:59:59Z"},
		{1795365136 * S_NS + 123456789, "2026-11-22T16:32:16.123456789Z",
			"2026-11-22T16:32:16Z"},
		{INT64_MAX, "2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16Z"},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[TEXT_TIME_MAX];
		int64_t back;
		text_time_s(rows[i].ns, text);
		assert_string_equal(text, rows[i].none);
		text_time_ns(rows[i].ns, text);
		assert_string_equal(text, rows[i].nine);
		assert_int_equal(text_time_parse(text, &back), 0);
		assert_true(back == rows[i].ns);
	}
}

static void test_M2__times__any_offset_and_any_decimals_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31 23:30:00-00:30", 0},
		{"1970-01-01t00:00:01z", S_NS},
		{"1970-01-01T00:00:00.5Z", S_NS / 2},
		{"1970-01-01T00:00:00.1234567899Z", 123456789},
		{"1972-06-30T23:59:60Z", 78796800 * S_NS},
		{"2000-02-29T00:00:00Z", 951782400 * S_NS},
	};
	static const char *const bad[] = {"", "1970", "1970-01-01", "1970-01-01T00:00:00",
		"1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z", "1970-02-30T00:00:00Z",
		"1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00+1:00", "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00Zx",
		"1970-1-01T00:00:00Z", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
		"1900-02-29T00:00:00Z", "-970-01-01T00:00:00Z"};
	int64_t ns = 4711;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(text_time_parse(bad[i], &ns), -EINVAL);
	assert_true(ns == 4711);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(text_time_parse(rows[i].text, &ns), 0);
		assert_true(ns == rows[i].ns);
	}
}

static void test_C4__spans(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *back;
	} rows[] = {
		{"90s", 90000, "90s"},
		{"30m", 1800000, "30m"},
		{"3h", 10800000, "3h"},
		{"7d", 604800000, "7d"},
		{"250ms", 250, "250ms"},
		{"3600", 3600000, "1h"},
		{"1.5h", 5400000, "90m"},
		{"never", -1, "never"},
		{"0", 0, "0s"},
		{"24h", 86400000, "24h"},
		{"1d", 86400000, "24h"},
		{"48h", 172800000, "2d"},
		{"0.5s", 500, "500ms"},
		{"25h", 90000000, "25h"},
	};
	static const char *const bad[] = {"", "h", "1x", "1 h", " 1h", "-1", "+1h", "1h30m", "1.h",
		".5h", "0.5ms", "1.2.3s", "999999999999999999d", "Never", "1H", "1e3", "0x10",
		"99999999999999999999"};
	int64_t ms = 4711;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(text_span_parse(bad[i], &ms), -EINVAL);
	assert_true(ms == 4711);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[TEXT_TIME_MAX];
		assert_int_equal(text_span_parse(rows[i].text, &ms), 0);
		assert_true(ms == rows[i].ms);
		text_span_format(ms, text);
		assert_string_equal(text, rows[i].back);
	}
}

static void test_C4__sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		const char *back;
	} rows[] = {
		{"64M", 64 << 20, "64M"},
		{"1G", 1 << 30, "1G"},
		{"4096", 4096, "4K"},
		{"10k", 10240, "10K"},
		{"1000", 1000, "1000"},
		{"0", 0, "0"},
		{"1KiB", 1024, "1K"},
		{"1kB", 1024, "1K"},
		{"5B", 5, "5"},
		{"2P", UINT64_C(2) << 50, "2P"},
		{"18446744073709551615", UINT64_MAX, "18446744073709551615"},
	};
	static const char *const bad[] = {"", "M", "1X", "1iB", "-1", "1.5G", "64 M", "1MM",
		"18446744073709551616", "99999999P", "1Bi"};
	uint64_t bytes = 4711;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(text_size_parse(bad[i], &bytes), -EINVAL);
	assert_true(bytes == 4711);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[TEXT_TIME_MAX];
		assert_int_equal(text_size_parse(rows[i].text, &bytes), 0);
		assert_true(bytes == rows[i].bytes);
		text_size_format(bytes, text);
		assert_string_equal(text, rows[i].back);
	}
}

static void test_N1__utf8(void **state)
{
	static const struct {
		const char *text;
		int32_t code; /* -1: not UTF-8 */
	} rows[] = {
		{"a", 'a'},
		{"\xc2\x80", 0x80},
		{"\xdf\xbf", 0x7FF},
		{"\xe0\xa0\x80", 0x800},
		{"\xed\x9f\xbf", 0xD7FF},
		{"\xee\x80\x80", 0xE000},
		{"\xef\xbf\xbf", 0xFFFF},
		{"\xf0\x90\x80\x80", 0x10000},
		{"\xf4\x8f\xbf\xbf", 0x10FFFF},
		{"\x80", -1},
		{"\xc0\x80", -1},
		{"\xc1\xbf", -1},
		{"\xe0\x9f\xbf", -1},
		{"\xf0\x8f\xbf\xbf", -1},
		{"\xed\xa0\x80", -1},
		{"\xf4\x90\x80\x80", -1},
		{"\xf5\x80\x80\x80", -1},
		{"\xe2\x82", -1},
		{"\xc3", -1},
		{"\xff", -1},
		{"\xe2\x28\xa1", -1},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t pos = 0, size = strlen(rows[i].text);
		assert_int_equal(utf8_next(rows[i].text, size, &pos), rows[i].code);
		assert_int_equal(pos, rows[i].code < 0 ? 0 : size);
		assert_int_equal(utf8_valid(rows[i].text, size), rows[i].code >= 0);
	}
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("a\0b", 3));
}

static void test_S2__sentences__are_one_line_and_cut(void **state)
{
	struct errtext error;
	assert_int_equal(errtext_set(&error, -EINVAL, "a\nb\x1b[%d\xff é", 5), -EINVAL);
	assert_string_equal(error.text, "a?b?[5? é");
	assert_int_equal(errtext_set(&error, -EIO, "%2000s", "x"), -EIO);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	assert_int_equal(errtext_set(NULL, -EIO, "x"), -EIO);
}

static void test_T11__clocks(void **state)
{
	struct clock *steady = clock_steady();
	int64_t a = steady->now_ns(steady), b = steady->now_ns(steady), wall = clock_wall_ns();
	assert_true(b >= a && llabs(wall - a) < 5 * S_NS);
	assert_int_equal(clock_step_ms(), 0);
	struct clock_manual manual;
	clock_manual_init(&manual, 5 * S_NS);
	assert_true(clock_now_ms(&manual.clock) == 5000);
	clock_manual_advance(&manual, -S_NS);
	assert_true(clock_now_ms(&manual.clock) == 4000);
}

#ifdef TURNFS_TEST_HOOKS
static void write_shift(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_T11__clock_file__moves_the_clocks(void **state)
{
	char path[] = "/tmp/turnfs-clock-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	struct clock *steady = clock_steady();
	int64_t before = steady->now_ns(steady);
	setenv("TURNFS_TEST_CLOCK_FILE", path, 1);
	write_shift(path, "3600\n");
	assert_true(llabs(steady->now_ns(steady) - before - 3600 * S_NS) < 5 * S_NS);
	assert_int_equal(clock_step_ms(), 0);
	write_shift(path, "");
	assert_true(steady->now_ns(steady) - before > 3599 * S_NS);
	write_shift(path, "3600 -100\n");
	assert_true(llabs(clock_step_ms() + 100000) < 5000);
	write_shift(path, "0 0\n");
	assert_true(steady->now_ns(steady) - before < 5 * S_NS);
	unsetenv("TURNFS_TEST_CLOCK_FILE");
	remove(path);
	cleanup_close(&fd);
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M2__times__are_written_in_UTC),
		cmocka_unit_test(test_M2__times__any_offset_and_any_decimals_are_read),
		cmocka_unit_test(test_C4__spans),
		cmocka_unit_test(test_C4__sizes),
		cmocka_unit_test(test_N1__utf8),
		cmocka_unit_test(test_S2__sentences__are_one_line_and_cut),
		cmocka_unit_test(test_T11__clocks),
#ifdef TURNFS_TEST_HOOKS
		cmocka_unit_test(test_T11__clock_file__moves_the_clocks),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
