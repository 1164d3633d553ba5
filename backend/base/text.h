/* Times, spans and sizes as people write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TEXT_TIME_MAX = 40 };

/* RFC 3339 in UTC with nine decimals: "2026-11-22T16:32:16.123456789Z". Always 30 characters. */
void text_time_ns(int64_t ns, char ret[TEXT_TIME_MAX]);

/* The same to the second: "2026-11-22T16:32:16Z". */
void text_time_s(int64_t ns, char ret[TEXT_TIME_MAX]);

/* Reads RFC 3339 (any offset, any number of decimals, 'T' or a space). 0 or -EINVAL. */
int text_time_parse(const char *text, int64_t *ret_ns);

/* "90s", "30m", "3h", "7d", "250ms", "3600" (seconds), "1.5h"; "never" is -1. 0 or -EINVAL. */
int text_span_parse(const char *text, int64_t *ret_ms);

/*
 * The same in the largest unit in which it is whole, days from two on: "24h", "90m", "7d", "0s",
 * "never". Reads back as the same span.
 */
void text_span_format(int64_t ms, char ret[TEXT_TIME_MAX]);

/* For a person, two units at most: "59s", "4m 05s", "23h 59m", "6d 23h"; never less than "0s". */
void text_span_rough(int64_t ms, char ret[TEXT_TIME_MAX]);

/* "64M", "1G", "4096", "10k" (1024-based, an optional B or iB behind). 0 or -EINVAL. */
int text_size_parse(const char *text, uint64_t *ret_bytes);

/* "64M" and so on where it is whole, else bytes. */
void text_size_format(uint64_t bytes, char ret[TEXT_TIME_MAX]);
