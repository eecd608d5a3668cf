/*
 * IP addresses with a port, and CIDR blocks, in one small value type that is
 * compared, hashed and printed without knowing the family.
 */
#ifndef COMMON_NET_ADDR_H
#define COMMON_NET_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Room for the longest text of an address with brackets, port and NUL. */
#define ADDR_TEXT_SIZE 56

/* Unused bytes of ip are zero, so that memcmp() compares two values. */
struct addr {
	uint16_t family; /* AF_INET, AF_INET6; 0: no address */
	uint16_t port;	 /* host order */
	uint8_t ip[16];	 /* network order; IPv4 in the first four */
};

struct cidr {
	uint16_t family;
	uint16_t bits;	/* prefix length */
	uint8_t ip[16]; /* host bits are zero */
};

/* Which families a name is looked up in. */
enum addr_family {
	ADDR_FAMILY_ANY, /* both; order as RFC 8305 has it, IPv6 first */
	ADDR_FAMILY_IPV4,
	ADDR_FAMILY_IPV6,
	ADDR_FAMILY_PREFER_IPV4,
	ADDR_FAMILY_PREFER_IPV6
};

/*
 * Takes what the kernel gave. An IPv4-mapped IPv6 address becomes IPv4 (so a
 * dual-stack listener's clients look the same as others). Scope ids are
 * dropped. 0 or -EAFNOSUPPORT.
 */
int addr_from_sockaddr(struct addr *, const struct sockaddr *, socklen_t);

/* Returns the length of the sockaddr. */
socklen_t addr_to_sockaddr(const struct addr *, struct sockaddr_storage *);

/*
 * Parses the one canonical spelling of an address without port or brackets:
 * dotted quad without leading zeros, or any RFC 4291 text form for IPv6 but
 * no zone id. An IPv4-mapped IPv6 address becomes IPv4, as in
 * addr_from_sockaddr(), so that no rule is passed by in another spelling. The
 * port is set to 0. 0 or -EINVAL.
 */
int addr_parse_ip(struct addr *, const char *s, size_t len);

/*
 * Parses "192.0.2.1:53", "[2001:db8::1]:53", and without a port where
 * default_port is not 0: "192.0.2.1", "2001:db8::1", "[2001:db8::1]".
 * 0 or -EINVAL.
 */
int addr_parse(struct addr *, const char *s, size_t len, uint16_t default_port);

/* Parses "[1-9][0-9]{0,4}", 1..65535; one spelling only. 0 or -EINVAL. */
int addr_parse_port(uint16_t *, const char *s, size_t len);

/* "192.0.2.1:53" or "[2001:db8::1]:53" (RFC 5952); returns the length. */
size_t addr_format(const struct addr *, char buf[ADDR_TEXT_SIZE]);

/* The same without port and brackets. */
size_t addr_format_ip(const struct addr *, char buf[ADDR_TEXT_SIZE]);

/* Of bytes that may be anything: are they an address as all functions here
 * make it? */
bool addr_is_sound(const struct addr *);

bool addr_equal(const struct addr *, const struct addr *);
bool addr_equal_ip(const struct addr *, const struct addr *);

/*
 * An address that carries an IPv4 address inside (IPv4-mapped ::ffff:0:0/96,
 * NAT64 64:ff9b::/96 of RFC 6052) becomes that address; others stay.
 */
void addr_unwrap(struct addr *);

/*
 * The addresses by which blocks may name this one, and how many they are: the
 * address itself and what addr_unwrap() makes of it, where that is another.
 * Whatever asks where a client or a target belongs asks for each of them (or
 * cidr_names()), so that no rule is passed by in another spelling. An
 * IPv4-mapped address has the IPv4 address alone.
 */
#define ADDR_FORMS_MAX 2
unsigned addr_forms(const struct addr *, struct addr forms[ADDR_FORMS_MAX]);

/*
 * Parses "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a
 * block of one. Host bits that are set are an error, since the writer meant
 * something else. A block within ::ffff:0:0/96 becomes one of IPv4. 0, -EINVAL
 * (not a block) or -ERANGE (host bits set).
 */
int cidr_parse(struct cidr *, const char *s, size_t len);

/* "192.0.2.0/24", "2001:db8::/32"; returns the length. */
size_t cidr_format(const struct cidr *, char buf[ADDR_TEXT_SIZE]);
bool cidr_contains(const struct cidr *, const struct addr *);

/* Does the block contain one of addr_forms()? */
bool cidr_names(const struct cidr *, const struct addr *);

#endif
