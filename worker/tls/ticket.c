/* Judges whether what a ticket says of a verified client still holds. */
#include "worker/tls/ticket.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

/*
 * note: version (1 byte), verified (8), end (8), then for each certificate:
 * length (2) and DER of its issuer's name, length (2) and DER of its serial
 * number. Numbers are big-endian.
 */
#define VERSION	 1
#define HEAD_LEN 17

struct writer {
	uint8_t *at, *end;
};

struct reader {
	const uint8_t *at;
	size_t left;
};

static void
put64(uint8_t *p, int64_t n)
{
	int i;

	for (i = 7; i >= 0; i--, n >>= 8)
		p[i] = (uint8_t)n;
}

static int64_t
get64(const uint8_t *p)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < 8; i++)
		n = n << 8 | p[i];
	return ((int64_t)n);
}

/* Makes room for a vector of len bytes and writes its length. NULL: no room. */
static uint8_t *
put_vector(struct writer *w, int len)
{
	uint8_t *p = w->at + 2;

	if (len <= 0 || w->end - w->at < 2 + len)
		return (NULL);
	w->at[0] = (uint8_t)(len >> 8);
	w->at[1] = (uint8_t)len;
	w->at = p + len;
	return (p);
}

static bool
put_link(struct writer *w, const X509 *cert)
{
	X509_NAME *issuer = X509_get_issuer_name(cert);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	uint8_t *p = put_vector(w, i2d_X509_NAME(issuer, NULL));

	if (p == NULL || i2d_X509_NAME(issuer, &p) <= 0)
		return (false);
	p = put_vector(w, i2d_ASN1_INTEGER(serial, NULL));
	return (p != NULL && i2d_ASN1_INTEGER(serial, &p) > 0);
}

/* Until when it is valid; -1 where that cannot be told. */
static int64_t
end_of(const X509 *cert)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return (-1);
	return ((int64_t)timegm(&tm));
}

/* Nobody can say of an anchor that it was revoked, if somebody else signed it:
 * that authority is not known. */
static bool
revocable(STACK_OF(X509) * chain, int i)
{
	X509 *cert = sk_X509_value(chain, i);

	return (i + 1 < (int)sk_X509_num(chain) ||
		(X509_get_extension_flags(cert) & EXFLAG_SI) != 0);
}

size_t
tls_ticket_note(
    uint8_t buf[TLS_TICKET_NOTE_MAX], STACK_OF(X509) * chain, int64_t now)
{
	struct writer w = { buf + HEAD_LEN, buf + TLS_TICKET_NOTE_MAX };
	int64_t end = INT64_MAX, its;
	int i;

	for (i = 0; i < (int)sk_X509_num(chain); i++) {
		its = end_of(sk_X509_value(chain, i));
		end = its < end ? its : end;
		if (revocable(chain, i) &&
		    !put_link(&w, sk_X509_value(chain, i)))
			return (0);
	}
	buf[0] = VERSION;
	put64(buf + 1, now);
	put64(buf + 9, end);
	return ((size_t)(w.at - buf));
}

static bool
get_vector(struct reader *r, struct reader *vector)
{
	size_t len;

	if (r->left < 2)
		return (false);
	len = (size_t)r->at[0] << 8 | r->at[1];
	if (len == 0 || r->left - 2 < len)
		return (false);
	*vector = (struct reader){ r->at + 2, len };
	r->at += 2 + len;
	r->left -= 2 + len;
	return (true);
}

/* In force, and neither for a part of the certificates nor a change to another
 * list, both of which critical extensions say (RFC 5280 section 5.2). */
static bool
in_force(const X509_CRL *crl, time_t now)
{
	const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);

	return (X509_cmp_time(X509_CRL_get0_lastUpdate(crl), &now) < 0 &&
		(until == NULL || X509_cmp_time(until, &now) > 0) &&
		X509_CRL_get_ext_by_critical(crl, 1, -1) == -1);
}

static bool
revoked(STACK_OF(X509_OBJECT) * objects, X509_NAME *issuer,
    const ASN1_INTEGER *serial, time_t now)
{
	X509_REVOKED *entry;
	X509_CRL *crl;
	bool vouched = false;
	int i;

	for (i = 0; i < (int)sk_X509_OBJECT_num(objects); i++) {
		crl =
		    X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
		if (crl == NULL ||
		    X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) != 0)
			continue;
		if (!in_force(crl, now) ||
		    X509_CRL_get0_by_serial(crl, &entry, serial) != 0)
			return (true);
		vouched = true;
	}
	return (!vouched);
}

static bool
link_holds(struct reader *r, const struct tls_ticket_terms *terms)
{
	struct reader name, number;
	ASN1_INTEGER *serial = NULL;
	X509_NAME *issuer = NULL;
	bool holds = false;

	if (!get_vector(r, &name) || !get_vector(r, &number))
		return (false);
	issuer = d2i_X509_NAME(NULL, &name.at, (long)name.left);
	serial = d2i_ASN1_INTEGER(NULL, &number.at, (long)number.left);
	if (issuer != NULL && serial != NULL)
		holds = !revoked(X509_STORE_get0_objects(terms->store), issuer,
		    serial, (time_t)terms->now);
	X509_NAME_free(issuer);
	ASN1_INTEGER_free(serial);
	return (holds);
}

static bool
uses_crls(X509_STORE *store)
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);

	return (
	    (X509_VERIFY_PARAM_get_flags(param) & X509_V_FLAG_CRL_CHECK) != 0);
}

int64_t
tls_ticket_left(
    const uint8_t *note, size_t len, const struct tls_ticket_terms *terms)
{
	int64_t verified, end;

	if (len < HEAD_LEN || note[0] != VERSION)
		return (0);
	verified = get64(note + 1);
	end = get64(note + 9);
	/* A clock that went back tells nothing. */
	if (verified < 0 || terms->now < verified || end <= terms->now ||
	    terms->now - verified >= terms->lifetime)
		return (0);
	end -= terms->now;
	verified += terms->lifetime - terms->now;
	return (end < verified ? end : verified);
}

bool
tls_ticket_holds(
    const uint8_t *note, size_t len, const struct tls_ticket_terms *terms)
{
	struct reader r = { note, len };

	if (tls_ticket_left(note, len, terms) <= 0)
		return (false);
	r.at += HEAD_LEN;
	r.left -= HEAD_LEN;
	while (uses_crls(terms->store) && r.left > 0)
		if (!link_holds(&r, terms))
			return (false);
	return (true);
}
