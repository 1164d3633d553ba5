/* For a build without OpenSSL: rediss:// is refused in words; see tls.h. */
#include "tls.h"

#include <errno.h>

int tls_open(int fd, const char *host, const struct waiter *waiter, int64_t deadline_ms,
	struct tls **ret, struct errtext *error)
{
	return errtext_set(
		error, -EINVAL, "this turnfs was built without TLS: rediss:// does not work");
}

void tls_close(struct tls *tls) {}

ssize_t tls_write(struct tls *tls, const char *data, size_t size)
{
	return -EIO;
}

ssize_t tls_read(struct tls *tls, char *data, size_t size)
{
	return -EIO;
}

short tls_events(const struct tls *tls)
{
	return 0;
}
