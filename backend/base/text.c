/* Times, spans and sizes as people write them; see text.h. */
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

struct unit {
	const char *suffix;
	int64_t factor;
};

/* Years have four digits: an int64_t of nanoseconds reaches from 1677 to 2262. */
static size_t format_seconds(int64_t ns, char *ret, int64_t *ret_rest_ns)
{
	int64_t rest = ns % NS_PER_S;
	if (rest < 0)
		rest += NS_PER_S;
	time_t seconds = ns / NS_PER_S - (ns % NS_PER_S < 0);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	*ret_rest_ns = rest;
	return strftime(ret, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
}

void text_time_ns(int64_t ns, char ret[TEXT_TIME_MAX])
{
	int64_t rest;
	size_t size = format_seconds(ns, ret, &rest);
	snprintf(ret + size, TEXT_TIME_MAX - size, ".%09" PRId64 "Z", rest);
}

void text_time_s(int64_t ns, char ret[TEXT_TIME_MAX])
{
	int64_t rest;
	size_t size = format_seconds(ns, ret, &rest);
	snprintf(ret + size, TEXT_TIME_MAX - size, "Z");
}

/* Reads exactly `digits` digits of a number from `least` to `most`, and moves *at past them. */
static bool read_number(const char **at, int digits, int least, int most, int *ret)
{
	int value = 0;
	for (int i = 0; i < digits; i++) {
		if ((*at)[i] < '0' || (*at)[i] > '9')
			return false;
		value = value * 10 + (*at)[i] - '0';
	}
	*at += digits;
	*ret = value;
	return value >= least && value <= most;
}

static bool read_char(const char **at, const char *any_of)
{
	if (**at == '\0' || !strchr(any_of, **at))
		return false;
	(*at)++;
	return true;
}

/* ".5" is 500 000 000; digits after the ninth are dropped. */
static bool read_fraction(const char **at, int64_t *ret_ns)
{
	*ret_ns = 0;
	if (!read_char(at, "."))
		return true;
	int64_t weight = NS_PER_S / 10;
	const char *from = *at;
	for (; **at >= '0' && **at <= '9'; (*at)++, weight /= 10)
		*ret_ns += (**at - '0') * weight;
	return *at > from;
}

static bool read_offset(const char **at, int64_t *ret_seconds)
{
	*ret_seconds = 0;
	if (read_char(at, "Zz"))
		return true;
	int sign = **at == '-' ? -1 : 1, hours, minutes;
	if (!read_char(at, "+-") || !read_number(at, 2, 0, 23, &hours) || !read_char(at, ":") ||
		!read_number(at, 2, 0, 59, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

int text_time_parse(const char *text, int64_t *ret_ns)
{
	struct tm tm = {0};
	int64_t fraction_ns, offset_s, ns;
	if (!read_number(&text, 4, 0, 9999, &tm.tm_year) || !read_char(&text, "-") ||
		!read_number(&text, 2, 1, 12, &tm.tm_mon) || !read_char(&text, "-") ||
		!read_number(&text, 2, 1, 31, &tm.tm_mday) || !read_char(&text, "Tt ") ||
		!read_number(&text, 2, 0, 23, &tm.tm_hour) || !read_char(&text, ":") ||
		!read_number(&text, 2, 0, 59, &tm.tm_min) || !read_char(&text, ":") ||
		!read_number(&text, 2, 0, 60, &tm.tm_sec) || !read_fraction(&text, &fraction_ns) ||
		!read_offset(&text, &offset_s) || *text != '\0')
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	int day = tm.tm_mday, second = tm.tm_sec;
	int64_t seconds = timegm(&tm) - offset_s;
	if (tm.tm_mday != day && second != 60) /* 31 February */
		return -EINVAL;
	if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) ||
		__builtin_add_overflow(ns, fraction_ns, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

/* Reads "12" or "12.5" as a number and how many decimals it has; false: none, or too long. */
static bool read_decimal(const char **at, int64_t *ret, int64_t *ret_scale)
{
	const char *from = *at, *point = NULL;
	*ret = 0;
	*ret_scale = 1;
	for (; (**at >= '0' && **at <= '9') || (**at == '.' && !point); (*at)++) {
		if (**at == '.') {
			point = *at;
			continue;
		}
		if (*at - from > 17 || __builtin_mul_overflow(*ret, 10, ret) ||
			__builtin_add_overflow(*ret, **at - '0', ret))
			return false;
		if (point)
			*ret_scale *= 10;
	}
	return *at > from && *from != '.' && (*at)[-1] != '.';
}

int text_span_parse(const char *text, int64_t *ret_ms)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	if (strcmp(text, "never") == 0) {
		*ret_ms = -1;
		return 0;
	}
	int64_t value, scale, ms;
	if (!read_decimal(&text, &value, &scale))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(text, units[i].suffix) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &ms) || ms % scale != 0)
			return -EINVAL;
		*ret_ms = ms / scale;
		return 0;
	}
	return -EINVAL;
}

void text_span_format(int64_t ms, char ret[TEXT_TIME_MAX])
{
	static const struct unit units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
	const struct unit day = {"d", 86400000}, *unit = units;
	if (ms < 0) {
		snprintf(ret, TEXT_TIME_MAX, "never");
		return;
	}
	if (ms == 0)
		unit = &units[2];
	else if (ms >= 2 * day.factor && ms % day.factor == 0)
		unit = &day;
	else
		while (ms % unit->factor != 0)
			unit++;
	snprintf(ret, TEXT_TIME_MAX, "%" PRId64 "%s", ms / unit->factor, unit->suffix);
}

void text_span_rough(int64_t ms, char ret[TEXT_TIME_MAX])
{
	long long s = ms > 0 ? ms / 1000 : 0;
	if (s < 60)
		snprintf(ret, TEXT_TIME_MAX, "%llds", s);
	else if (s < 3600)
		snprintf(ret, TEXT_TIME_MAX, "%lldm %02llds", s / 60, s % 60);
	else if (s < 48 * 3600)
		snprintf(ret, TEXT_TIME_MAX, "%lldh %02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(ret, TEXT_TIME_MAX, "%lldd %02lldh", s / 86400, s / 3600 % 24);
}

int text_size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgtp";
	uint64_t value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
			__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -EINVAL;
	if (at == text)
		return -EINVAL;
	const char *letter = *at ? strchr(letters, *at | 0x20) : NULL;
	if (letter) {
		uint64_t factor = UINT64_C(1) << (10 * (letter - letters + 1));
		if (__builtin_mul_overflow(value, factor, &value))
			return -EINVAL;
		at++;
		if (strcmp(at, "iB") == 0)
			at++;
	}
	if (strcmp(at, "") != 0 && strcmp(at, "B") != 0)
		return -EINVAL;
	*ret_bytes = value;
	return 0;
}

void text_size_format(uint64_t bytes, char ret[TEXT_TIME_MAX])
{
	static const char letters[] = "KMGTP";
	int power = 0;
	while (bytes > 0 && bytes % 1024 == 0 && letters[power] != '\0') {
		bytes /= 1024;
		power++;
	}
	if (power == 0)
		snprintf(ret, TEXT_TIME_MAX, "%" PRIu64, bytes);
	else
		snprintf(ret, TEXT_TIME_MAX, "%" PRIu64 "%c", bytes, letters[power - 1]);
}
