/*
 * The PROXY protocol, versions 1 and 2 (haproxy.org, "The PROXY protocol",
 * 2020-03-05): who the client behind a load balancer is. Pure.
 */
#ifndef COMMON_NET_PROXY_H
#define COMMON_NET_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"

/* The longest version 1 line with its CR LF (section 2.1). */
#define PROXY_V1_MAX 107

/* The longest header taken or written: version 2 with TLVs. A longer one is
 * refused, although its length field could say 64 KiB. */
#define PROXY_HEADER_MAX 2048

/* The longest string that is sent in a TLV. */
#define PROXY_STRING_MAX 255

struct proxy_header {
	bool local; /* LOCAL or UNKNOWN: the sender speaks for itself */
	struct addr source, destination; /* family 0 where local, or unknown */
};

/*
 * Looks at the first bytes of a stream. > 0: the header is complete and as
 * many bytes long, *header is set; 0: more bytes are needed; -EPROTO: these
 * bytes do not begin a well-formed header; -EMSGSIZE: it is longer than
 * PROXY_HEADER_MAX.
 *
 * A wrong byte is refused as soon as it is there, a wrong address or port as
 * soon as it ends; no error becomes another one, or none, by further bytes.
 * IPv4-mapped addresses become IPv4, as in addr_from_sockaddr(), so the two
 * addresses may differ in family. Ports may be 0.
 *
 * Version 1: behind UNKNOWN and a space anything but CR and LF is skipped.
 * Version 2: what LOCAL carries is skipped unread. AF_UNIX and an unspecified
 * family are accepted, with unknown addresses; datagrams, and combinations of
 * family and protocol that section 2.2 does not list, are refused. The lengths
 * of TLVs must add up; a CRC32C is verified where one is sent, other TLVs are
 * skipped.
 */
int proxy_parse(struct proxy_header *header, const uint8_t *bytes, size_t len);

/* What a header towards an upstream says. */
struct proxy_info {
	/* family 0 in either: the header says that addresses are unknown. IPv4
	 * on one side and IPv6 on the other: both are written as IPv6, the IPv4
	 * one as ::ffff:0:0/96 has it, so that nothing is lost. */
	struct addr source, destination;
	const char *authority;	 /* version 2: PP2_TYPE_AUTHORITY */
	const char *tls_version; /* version 2: opens PP2_TYPE_SSL */
	const char *identity;	 /* version 2: the client's URI or DNS SAN, as
			       * PP2_SUBTYPE_SSL_CN within PP2_TYPE_SSL */
	bool verified;		 /* the client's certificate was verified */
	bool resumed; /* in the handshake whose session this one resumes */
};

/*
 * Writes a header of version 1 or 2 to buf; returns its length. Version 2
 * bears a CRC32C. Strings that are NULL, empty or longer than
 * PROXY_STRING_MAX are left out; without tls_version all of PP2_TYPE_SSL is,
 * and an identity that was not verified is.
 */
size_t proxy_format(
    const struct proxy_info *, unsigned version, uint8_t buf[PROXY_HEADER_MAX]);

#endif
