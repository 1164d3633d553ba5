/*
 * INTERRUPT: the process behind a request has a signal to die of. It cannot before the request is
 * answered, so what waits for a server is given up (base/interrupt.h) and answered with EINTR. A
 * local store's requests do not wait for anybody.
 */
#pragma once

#include "fs.h"

/* This thread works on the request, which is not answered yet; until then. */
void interrupt_begin(fuse_req_t req);
void interrupt_end(void);
