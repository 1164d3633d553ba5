/* The log: stderr in the foreground, syslog in the background. Never content, never a password. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_DEBUG };

/* Where lines go and up to which level. Call it before other threads run. */
void log_init(bool to_syslog, enum log_level most);

/* While it is on, warnings and errors go to stderr too, where somebody waits for the mount. */
void log_copy_to_stderr(bool on);

/* One line; control characters in it become '?'. On stderr it begins with "turnfs: ". Keeps errno.
 */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* The last line of level ERROR ("" if none), with its time; for health. */
void log_last_error(char *text, unsigned long size);
