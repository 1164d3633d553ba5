/* The sentence beside a -errno; see errtext.h. */
#include "base/errtext.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

int errtext_set(struct errtext *error, int rc, const char *format, ...)
{
	if (!error)
		return rc;
	va_list args;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	utf8_printable(error->text);
	return rc;
}
