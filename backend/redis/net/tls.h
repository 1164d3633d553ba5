/* TLS on a connected socket, with the server's certificate and name verified (S4). */
#pragma once

#include "wait.h"

#include "base/errtext.h"

#include <stddef.h>
#include <sys/types.h>

struct tls;

/*
 * Shakes hands; the chain must lead to an authority that this machine trusts (or SSL_CERT_FILE
 * names) and the certificate must be for `host`. 0 or -errno with a sentence: EACCES if the
 * certificate will not do, EINVAL if this turnfs was built without TLS, else as a socket says.
 */
int tls_open(int fd, const char *host, const struct waiter *waiter, int64_t deadline_ms,
	struct tls **ret, struct errtext *error);
void tls_close(struct tls *tls); /* takes NULL; leaves the descriptor open */

/* As send() and recv(): a count, 0 at the end, or -errno, -EAGAIN if it would block. */
ssize_t tls_write(struct tls *tls, const char *data, size_t size);
ssize_t tls_read(struct tls *tls, char *data, size_t size);

short tls_events(const struct tls *tls); /* what else poll() must wait for: POLLIN, POLLOUT */
