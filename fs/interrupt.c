/* Requests that are given up by whoever made them. */
#include "interrupt.h"

#include "base/interrupt.h"

/*
 * A word for each request that is worked on, for some while: libfuse may call given_up() when the
 * request has been answered already, and the word is another one's then. It is the request's number
 * twice, plus one when it is given up.
 */
enum { WORDS = 1024 };
static _Atomic uint64_t words[WORDS];
static _Atomic uint64_t last_number;

static void given_up(fuse_req_t req, void *data)
{
	uint64_t number = (uintptr_t)data, waiting = 2 * number;
	atomic_compare_exchange_strong(&words[number % WORDS], &waiting, 2 * number + 1);
}

void interrupt_begin(fuse_req_t req)
{
	if (!fs_of(req)->store->ops->shared)
		return;
	uint64_t number = atomic_fetch_add(&last_number, 1) + 1;
	atomic_store(&words[number % WORDS], 2 * number);
	interrupt_watch(&words[number % WORDS], 2 * number + 1);
	fuse_req_interrupt_func(req, given_up, (void *)(uintptr_t)number);
}

void interrupt_end(void)
{
	interrupt_watch(NULL, 0);
}
