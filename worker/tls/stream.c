/* A stream from its beginning to its end; open.c and seal.c use it. */
#include "worker/tls/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "common/tls/library.h"
#include "worker/tls/state.h"

size_t
tls_slack(size_t chunk)
{
	/* Tickets, the chunk, answers, an alert or a KeyUpdate of our own. */
	size_t sealed = TLS_TICKET_MAX + tls_sealed_max(chunk) - chunk +
			TLS_ANSWERS_MAX + tls_sealed_max(TLS_FRAGMENT_MIN);
	size_t opened = tls_sealed_max(TLS_FRAGMENT_MAX);

	return (sealed > opened ? sealed : opened);
}

int
tls_stream_new(struct tls_stream **out, struct tls_handshake *handshake,
    struct tls_context *context, int fd)
{
	struct tls_stream *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return (-ENOMEM);
	*tls = (struct tls_stream){
		.context = context, .handshake = handshake, .fd = fd
	};
	*out = tls;
	return (0);
}

int
tls_stream_begin(struct tls_stream *tls)
{
	BIO *bio = tls->context->bio;

	tls->ssl = SSL_new(tls->context->ctx);
	if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1 ||
	    BIO_up_ref(bio) != 1) {
		ERR_clear_error();
		return (-ENOMEM);
	}
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_accept_state(tls->ssl);
	library_shed(tls->ssl);
	tls_resume_begin(tls);
	/* Our BIO takes a whole chunk, so one write need not be cut into
	 * several, each with buffers of its own. */
	SSL_clear_mode(tls->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	return (0);
}

void
tls_stream_free(struct tls_stream *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	if (tls->context->caller == tls)
		tls->context->caller = NULL;
	buffer_return(tls->context->buffers, &tls->in);
	buffer_return(tls->context->buffers, &tls->out);
	free(tls->ticket);
	free(tls->kept);
	free(tls->error);
	free(tls);
}

struct io
tls_broken(const struct tls_stream *tls, int error)
{
	struct io io = io_broken(error);

	if (error == -EPROTO)
		io.why = tls->error;
	return (io);
}
