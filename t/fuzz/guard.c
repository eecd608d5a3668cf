/*
 * What a DNS answer may lead to: any address against any networks, own
 * addresses and listeners. The model here knows nothing of the guard's table.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/guard.h"
#include "t/fuzz/input.h"

#define MANY 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct addr listeners[MANY];
	struct cidr own[MANY], networks[MANY];
	size_t nown, nlisteners, nnetworks;
	struct guard *guard;
};

/* Addresses that have much in common are made often: few bytes are taken. */
static struct addr
take_addr(struct input *in)
{
	static const uint8_t starts[][12] = { { 0 },
		{ [10] = 0xff, [11] = 0xff }, { 0x00, 0x64, 0xff, 0x9b },
		{ 0x20, 0x01 }, { 0xfd } };
	struct addr a = { .family = AF_INET6 };
	unsigned i, n, kind = take(in);

	a.port = (uint16_t)(take(in) % 4 + 8443);
	n = 16;
	if (kind % 8 < 5) {
		memcpy(a.ip, starts[kind % 8], 12);
		n = 4;
	} else if (kind % 8 < 7) {
		a.family = AF_INET;
		n = 4;
	}
	for (i = 0; i < n; i++)
		a.ip[(a.family == AF_INET ? 0 : 16 - n) + i] =
		    (uint8_t)take(in);
	return (a);
}

static struct cidr
take_cidr(struct input *in)
{
	struct addr a = take_addr(in);
	struct cidr c = { .family = a.family };
	unsigned i;

	c.bits = (uint16_t)(take(in) % (a.family == AF_INET ? 33 : 129));
	memcpy(c.ip, a.ip, sizeof(c.ip));
	for (i = c.bits; i < 128; i++)
		c.ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return (c);
}

static void
take_world(struct world *w, struct input *in)
{
	unsigned i;

	w->nown = take(in) % (MANY + 1);
	w->nlisteners = take(in) % (MANY + 1);
	w->nnetworks = take(in) % (MANY + 1);
	for (i = 0; i < w->nown; i++)
		w->own[i] = take_cidr(in);
	for (i = 0; i < w->nlisteners; i++)
		w->listeners[i] = take_addr(in);
	for (i = 0; i < w->nnetworks; i++)
		w->networks[i] = take_cidr(in);
	assert(guard_new(&w->guard, w->own, w->nown, w->listeners,
		   w->nlisteners) == 0);
}

/* The model: one bit after the other. */
static bool
contains(const struct cidr *c, const struct addr *a)
{
	unsigned i;

	if (c->family != a->family)
		return (false);
	for (i = 0; i < c->bits; i++)
		if (((c->ip[i / 8] ^ a->ip[i / 8]) & 0x80 >> i % 8) != 0)
			return (false);
	return (true);
}

/* As it was given, if that is more than IPv4 spelled otherwise, and a: what it
 * carries. */
static bool
opened(const struct world *w, const struct addr *given, const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t i;

	for (i = 0; i < w->nnetworks; i++)
		if (contains(&w->networks[i], a) ||
		    (memcmp(given->ip, mapped, sizeof(mapped)) != 0 &&
			contains(&w->networks[i], given)))
			return (true);
	return (false);
}

static bool
same_ip(struct addr a, const struct addr *b)
{
	addr_unwrap(&a);
	return (a.family == b->family && memcmp(a.ip, b->ip, 16) == 0);
}

static bool
is_zero(const struct addr *a)
{
	static const uint8_t zero[16];

	return (memcmp(a->ip, zero, 16) == 0);
}

/* The address is unwrapped already. */
static bool
is_own(const struct world *w, const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	bool own = is_zero(a);
	size_t i;

	own = own || (a->family == AF_INET ? a->ip[0] == 127
					   : memcmp(a->ip, one, 16) == 0);
	for (i = 0; i < w->nown; i++)
		own = own || contains(&w->own[i], a);
	for (i = 0; i < w->nlisteners; i++)
		own = own || same_ip(w->listeners[i], a);
	return (own);
}

static bool
has_port(const struct world *w, uint16_t port)
{
	size_t i;

	for (i = 0; i < w->nlisteners; i++)
		if (w->listeners[i].port == port)
			return (true);
	return (false);
}

/* What must come of the address, which is this host's whatever the guard was
 * told if own; a is what it carries. */
static enum reason
expected(const struct world *w, const struct addr *given, const struct addr *a,
    bool own)
{
	own = own || is_own(w, a);
	if (own && has_port(w, a->port))
		return (REASON_OWN_LISTENER);
	if (is_zero(a))
		return (REASON_GUARD);
	if ((own || guard_special(given) != NULL) && !opened(w, given, a))
		return (REASON_GUARD);
	return (REASON_NONE);
}

/* In any spelling an IPv4 address has what is expected of it. */
static void
check_spellings(const struct world *w, const struct addr *a)
{
	static const uint8_t prefixes[2][12] = { { [10] = 0xff, [11] = 0xff },
		{ 0x00, 0x64, 0xff, 0x9b } };
	struct addr b = { .family = AF_INET6, .port = a->port };
	unsigned i;

	for (i = 0; i < 2; i++) {
		memcpy(b.ip, prefixes[i], 12);
		memcpy(b.ip + 12, a->ip, 4);
		assert(guard_check(w->guard, &b, w->networks, w->nnetworks,
			   NULL) == expected(w, &b, a, false));
		assert(guard_special(&b) == guard_special(a));
	}
}

static void
check_addr(const struct world *w, const struct addr *given)
{
	const struct cidr all[2] = { { .family = AF_INET },
		{ .family = AF_INET6 } };
	struct addr a = *given;
	const char *why = NULL, *special;
	enum reason reason, want;
	struct cidr alone;

	addr_unwrap(&a);
	want = expected(w, given, &a, false);
	reason = guard_check(w->guard, given, w->networks, w->nnetworks, &why);
	assert(reason == want);
	assert((why != NULL) == (want == REASON_GUARD));
	special = guard_special(given);
	if (special == NULL)
		special = "Address of this host";
	assert(why == NULL || strcmp(why, special) == 0);
	assert(guard_check_own(w->guard, given, w->networks, w->nnetworks,
		   NULL) == expected(w, given, &a, true));
	/* Nothing but a listener's own address is closed to all networks. */
	assert(
	    guard_check(w->guard, given, all, 2, NULL) ==
	    (want == REASON_OWN_LISTENER || is_zero(&a) ? want : REASON_NONE));
	/* An address that is refused is what there is to open in its block. */
	memcpy(alone.ip, a.ip, sizeof(alone.ip));
	alone.family = a.family;
	alone.bits = a.family == AF_INET ? 32 : 128;
	assert(guard_closes(w->guard, &alone) ==
	       (guard_check(w->guard, &a, NULL, 0, NULL) != REASON_NONE));
	if (a.family == AF_INET)
		check_spellings(w, &a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct world w;
	struct addr a, none = { 0 };
	unsigned i;

	memset(&w, 0, sizeof(w));
	take_world(&w, &in);
	do {
		a = take_addr(&in);
		check_addr(&w, &a);
	} while (in.left > 0);
	for (i = 0; i < w.nown; i++) {
		a = (struct addr){ .family = w.own[i].family, .port = 1 };
		memcpy(a.ip, w.own[i].ip, sizeof(a.ip));
		check_addr(&w, &a);
	}
	for (i = 0; i < w.nlisteners; i++) {
		check_addr(&w, &w.listeners[i]);
		addr_unwrap(&w.listeners[i]);
		assert(guard_check(w.guard, &w.listeners[i], w.networks,
			   w.nnetworks, NULL) == REASON_OWN_LISTENER);
	}
	/* Both ends of a network, and the network's own reach. */
	for (i = 0; i < w.nnetworks; i++) {
		a = (struct addr){ .family = w.networks[i].family, .port = 1 };
		memcpy(a.ip, w.networks[i].ip, sizeof(a.ip));
		check_addr(&w, &a);
		if (w.networks[i].bits == 0)
			continue;
		a.ip[(w.networks[i].bits - 1) / 8] ^=
		    (uint8_t)(0x80 >> (w.networks[i].bits - 1) % 8);
		check_addr(&w, &a);
	}
	assert(guard_check(w.guard, &none, w.networks, w.nnetworks, NULL) ==
	       REASON_GUARD);
	guard_free(w.guard);
	return (0);
}
