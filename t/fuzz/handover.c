/*
 * What is handed over, whatever it is: it is read to its end, or refused. Its
 * head is made right, since no fuzzer finds a checksum. The first byte says
 * whether the others are what comes behind, or changes of what is good.
 */
#include "master/handover.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/codec.h"
#include "t/unit/handover_world.h"

#define HEAD 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
sum(const uint8_t *p, size_t size)
{
	uint64_t n = UINT64_C(0xcbf29ce484222325);

	while (size-- > 0)
		n = (n ^ *p++) * UINT64_C(0x100000001b3);
	return (n);
}

/* What is good. */
static const struct codec *
good(void)
{
	static struct master m;
	static struct codec w;

	if (w.bytes != NULL)
		return (&w);
	handover_world_full(&m);
	if (handover_write(&w, &m) != 0)
		abort();
	return (&w);
}

/* All but its head and the layouts is the fuzzer's. */
static uint8_t *
compose(const uint8_t *data, size_t size, size_t *len)
{
	const struct codec *w = good();
	const uint8_t *at = memmem(w->bytes, w->size, "mast", 4);
	size_t begin = (size_t)(at - w->bytes);
	uint64_t numbers[2];
	uint8_t *bytes;

	*len = begin + size;
	bytes = malloc(*len);
	if (bytes == NULL)
		abort();
	memcpy(bytes, w->bytes, begin);
	memcpy(bytes + begin, data, size);
	numbers[0] = *len;
	numbers[1] = sum(bytes + HEAD, *len - HEAD);
	memcpy(bytes + 16, numbers, sizeof(numbers));
	return (bytes);
}

/* Or, from what is there, one that is changed at some places. */
static void
change(uint8_t *bytes, size_t len, const uint8_t *data, size_t size)
{
	uint64_t n;
	size_t at;

	for (; size >= 3; data += 3, size -= 3) {
		at = HEAD + ((size_t)data[0] << 8 | data[1]) % (len - HEAD);
		bytes[at] = data[2];
	}
	n = sum(bytes + HEAD, len - HEAD);
	memcpy(bytes + 24, &n, sizeof(n));
}

static uint8_t *
changed(const uint8_t *data, size_t size, size_t *len)
{
	const struct codec *w = good();
	uint8_t *bytes = malloc(w->size);

	if (bytes == NULL)
		abort();
	*len = w->size;
	memcpy(bytes, w->bytes, w->size);
	change(bytes, w->size, data, size);
	return (bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct master m;
	struct codec c;
	uint8_t *bytes;
	size_t len;

	if (size < 1)
		return (0);
	bytes = data[0] % 2 == 0 ? compose(data + 1, size - 1, &len)
				 : changed(data + 1, size - 1, &len);
	handover_world_empty(&m);
	if (handover_read(&c, bytes, len, true, &m) == 0 &&
	    (m.current == NULL || c.at != len))
		abort();
	codec_fini(&c);
	handover_forget(&m);
	free(bytes);
	return (0);
}
