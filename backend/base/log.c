/* The log, to stderr or syslog; see log.h. */
#include "base/log.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

/* Set by log_init() before other threads run. */
static bool to_syslog;
static enum log_level most = LOG_LEVEL_NOTICE;
static atomic_bool copied; /* to stderr as well */

static pthread_mutex_t last_mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_error[TEXT_TIME_MAX + LINE_MAX_BYTES]; /* under last_mutex */

void log_init(bool syslog_wanted, enum log_level most_wanted)
{
	to_syslog = syslog_wanted;
	most = most_wanted;
	if (to_syslog)
		openlog("turnfs", LOG_PID, LOG_DAEMON);
}

void log_copy_to_stderr(bool on)
{
	atomic_store(&copied, on);
}

static void keep_error(const char *text)
{
	char now[TEXT_TIME_MAX];
	text_time_s(clock_wall_ns(), now);
	pthread_mutex_lock(&last_mutex);
	snprintf(last_error, sizeof(last_error), "%s %s", now, text);
	pthread_mutex_unlock(&last_mutex);
}

/* One write, so that lines of several threads do not mix. */
static void write_stderr(const char *text)
{
	char line[LINE_MAX_BYTES + 16];
	int size = snprintf(line, sizeof(line), "turnfs: %s\n", text);
	if (write(STDERR_FILENO, line, (size_t)size) < 0)
		return; /* nowhere left to say so */
}

static int syslog_priority(enum log_level level)
{
	static const int priorities[] = {
		[LOG_LEVEL_ERROR] = LOG_ERR,
		[LOG_LEVEL_WARNING] = LOG_WARNING,
		[LOG_LEVEL_NOTICE] = LOG_NOTICE,
		[LOG_LEVEL_DEBUG] = LOG_DEBUG,
	};
	return priorities[level];
}

void log_line(enum log_level level, const char *format, ...)
{
	if (level > most)
		return;
	int saved = errno;
	char text[LINE_MAX_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	utf8_printable(text);
	if (level == LOG_LEVEL_ERROR)
		keep_error(text);
	if (to_syslog)
		syslog(syslog_priority(level), "%s", text);
	else
		write_stderr(text);
	if (to_syslog && level <= LOG_LEVEL_WARNING && atomic_load(&copied))
		write_stderr(text);
	errno = saved;
}

void log_last_error(char *text, unsigned long size)
{
	pthread_mutex_lock(&last_mutex);
	snprintf(text, size, "%s", last_error);
	pthread_mutex_unlock(&last_mutex);
}
