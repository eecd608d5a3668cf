/* The JSON writer: any calls, into a buffer of any size, leave good JSON. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

#include "t/unit/json_check.h"

/* What is still to be read of the input. */
struct input {
	const uint8_t *at, *end;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t
take(struct input *in)
{
	return (in->at < in->end ? *in->at++ : 0);
}

static uint64_t
take_number(struct input *in)
{
	uint64_t value = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		value = value << 8 | take(in);
	return (value);
}

static const uint8_t *
take_bytes(struct input *in, size_t *len)
{
	const uint8_t *s;

	*len = take(in);
	s = in->at;
	if (*len > (size_t)(in->end - in->at))
		*len = in->end - in->at;
	in->at += *len;
	return (s);
}

static void
put_string(struct json *j, const char *key, struct input *in)
{
	char text[256];
	size_t len;
	const uint8_t *s = take_bytes(in, &len);

	memcpy(text, s, len);
	text[len] = '\0';
	json_string(j, key, text);
}

/* One call; open counts the arrays that the caller believes to be open. */
static void
put_field(struct json *j, struct input *in, unsigned *open)
{
	const char *key = *open > 0 ? NULL : "key";
	const uint8_t *s;
	size_t len;

	switch (take(in) % 7) {
	case 0:
		put_string(j, key, in);
		break;
	case 1:
		s = take_bytes(in, &len);
		json_bytes(j, key, s, len);
		break;
	case 2:
		json_uint(j, key, take_number(in));
		break;
	case 3:
		json_bool(j, key, take(in) & 1);
		break;
	case 4:
		json_msec(j, key, (int64_t)take_number(in));
		break;
	case 5:
		json_array_open(j, key);
		++*open;
		break;
	case 6:
		if (*open > 0) {
			json_array_close(j);
			--*open;
		}
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	size_t room = 2 + take(&in) * 4, len;
	char *buf = malloc(room);
	unsigned open = 0;
	struct json j;

	if (buf == NULL)
		abort();
	json_init(&j, buf, room);
	while (in.at < in.end)
		put_field(&j, &in, &open);
	len = json_end(&j);
	assert(len <= room);
	assert(json_check(buf, len));
	free(buf);
	return (0);
}
