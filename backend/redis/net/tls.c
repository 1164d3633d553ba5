/* TLS by OpenSSL on a socket that never blocks and never raises SIGPIPE; see tls.h. */
#include "tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct tls {
	SSL *ssl;
	int fd;
	short events; /* what it waits for */
};

/* OpenSSL's own socket BIO uses write(), which may end the process by a signal. */
static int bio_write(BIO *bio, const char *data, int size)
{
	const struct tls *tls = BIO_get_data(bio);
	ssize_t sent = send(tls->fd, data, (size_t)size, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)sent;
}

static int bio_read(BIO *bio, char *data, int size)
{
	const struct tls *tls = BIO_get_data(bio);
	ssize_t got = recv(tls->fd, data, (size_t)size, 0);

	BIO_clear_retry_flags(bio);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)got;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method; /* made once, then only read */

static void method_make(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "turnfs socket");
	if (!method)
		return;
	BIO_meth_set_write(method, bio_write);
	BIO_meth_set_read(method, bio_read);
	BIO_meth_set_ctrl(method, bio_ctrl);
}

static int bio_attach(struct tls *tls)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, method_make);
	BIO *bio = method ? BIO_new(method) : NULL;
	if (!bio)
		return -ENOMEM;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio); /* it is the SSL's now */
	return 0;
}

/* What the server must prove: a chain to an authority known here, and that it is `host`. */
static int verify_set(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1)
		return -ENOMEM;
	return 0;
}

static int tls_make(int fd, const char *host, struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int rc = -ENOMEM;

	if (tls && context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_default_verify_paths(context) == 1) {
		/* The buffer of what is still to be sent may move between two attempts. */
		SSL_CTX_set_mode(context,
			SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		tls->fd = fd;
		tls->ssl = SSL_new(context);
		rc = tls->ssl ? bio_attach(tls) : -ENOMEM;
	}
	if (rc == 0)
		rc = verify_set(tls->ssl, host);
	SSL_CTX_free(context);
	if (rc < 0) {
		tls_close(tls);
		return rc;
	}
	*ret = tls;
	return 0;
}

/* Why it did not go on: -EAGAIN with tls->events, -ECONNRESET, -EPROTO; 0: the peer has ended it.
 */
static int tls_errno(struct tls *tls, int result)
{
	int saved = errno, code = SSL_get_error(tls->ssl, result);

	tls->events = 0;
	switch (code) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN; /* that is waited for anyway */
	case SSL_ERROR_WANT_WRITE:
		tls->events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return saved == ETIMEDOUT || saved == ENOMEM ? -saved : -ECONNRESET;
	default:
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			       ? -ECONNRESET
			       : -EPROTO;
	}
}

static int shake_failed(struct tls *tls, const char *host, int rc, struct errtext *error)
{
	long why = SSL_get_verify_result(tls->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (why != X509_V_OK)
		return errtext_set(error, -EACCES,
			"the certificate of %s will not do: %s (an authority of one's own is named "
			"by SSL_CERT_FILE=FILE in the environment)",
			host, X509_verify_cert_error_string(why));
	if (rc == -EPROTO)
		return errtext_set(error, rc, "%s: no TLS: %s: is it a rediss:// server?", host,
			reason ? reason : "a bad answer");
	return errtext_set(error, rc, "%s: no TLS: %s", host,
		rc == -ETIMEDOUT ? "it does not answer: is it a rediss:// server?"
				 : "it closed the connection");
}

static int shake_hands(struct tls *tls, const struct waiter *waiter, int64_t deadline_ms)
{
	for (;;) {
		ERR_clear_error();
		int result = SSL_connect(tls->ssl);
		if (result == 1)
			return 0;
		int rc = tls_errno(tls, result);
		if (rc != -EAGAIN)
			return rc == 0 ? -ECONNRESET : rc;
		struct pollfd fd = {.fd = tls->fd, .events = tls->events ? POLLOUT : POLLIN};
		rc = wait_poll(waiter, &fd, 1, deadline_ms);
		/* Asked even while bytes keep dripping in. */
		if (rc <= 0 || wait_left_ms(deadline_ms) == 0)
			return rc < 0 ? rc : -ETIMEDOUT;
	}
}

int tls_open(int fd, const char *host, const struct waiter *waiter, int64_t deadline_ms,
	struct tls **ret, struct errtext *error)
{
	struct tls *tls;
	int rc = tls_make(fd, host, &tls);

	if (rc < 0)
		return errtext_set(error, rc, "TLS cannot be used here: %s", strerror(-rc));
	rc = shake_hands(tls, waiter, deadline_ms);
	if (rc < 0) {
		rc = shake_failed(tls, host, rc, error);
		tls_close(tls);
		return rc;
	}
	*ret = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	if (!tls)
		return;
	ERR_clear_error();
	SSL_free(tls->ssl);
	free(tls);
}

ssize_t tls_write(struct tls *tls, const char *data, size_t size)
{
	tls->events = 0;
	ERR_clear_error();
	int sent = SSL_write(tls->ssl, data, size > INT_MAX ? INT_MAX : (int)size);

	if (sent > 0)
		return sent;
	int rc = tls_errno(tls, sent);
	return rc == 0 ? -EPIPE : rc;
}

ssize_t tls_read(struct tls *tls, char *data, size_t size)
{
	tls->events = 0;
	ERR_clear_error();
	int got = SSL_read(tls->ssl, data, size > INT_MAX ? INT_MAX : (int)size);

	return got > 0 ? got : tls_errno(tls, got);
}

short tls_events(const struct tls *tls)
{
	return tls->events;
}
