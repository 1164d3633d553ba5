/* What libfuse complains of; see refusals.h. */
#include "refusals.h"

#include "base/log.h"

#include <fuse_log.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_uint refusals; /* libfuse has one function for complaints, and it takes no argument */

static void complained(enum fuse_log_level level, const char *format, va_list arguments)
{
	char text[256];
	vsnprintf(text, sizeof text, format, arguments);
	text[strcspn(text, "\n")] = '\0';
	if (level > FUSE_LOG_ERR) {
		log_debug("%s", text + strspn(text, " "));
		return;
	}
	atomic_fetch_add(&refusals, 1);
	log_error("%s", text);
}

void refusals_watch(void)
{
	fuse_set_log_func(complained);
}

unsigned refusals_count(void)
{
	return atomic_load(&refusals);
}
