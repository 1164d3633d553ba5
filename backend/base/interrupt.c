/* What a thread does may be given up; see interrupt.h. */
#include "base/interrupt.h"

#include <stddef.h>

static _Thread_local const _Atomic uint64_t *watched;
static _Thread_local uint64_t given_up;

void interrupt_watch(const _Atomic uint64_t *word, uint64_t value)
{
	watched = word;
	given_up = value;
}

bool interrupt_is_asked(void)
{
	return watched && atomic_load(watched) == given_up;
}
