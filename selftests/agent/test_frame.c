// SPDX-License-Identifier: GPL-2.0-or-later
/* Frame headers: what travels, and everything that is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/frame.h"

static const uint16_t types[] = {
	1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 30, 31, 32, 33,
	34, 35, 36, 37, 40, 41, 42, 43, 44, 45, 46, 47, 48,
};

static bool known(uint32_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i] == type)
			return true;
	return false;
}

static int unpack(const struct drover_frame_header *h, struct drover_frame_header *ret,
		  struct drover_err *err)
{
	uint8_t raw[DROVER_FRAME_HEADER_SIZE];

	drover_frame_pack(h, raw);
	return drover_frame_unpack(raw, ret, err);
}

static void layout_is_permanent(void **state)
{
	static const uint8_t want[] = {
		0x04, 0x03, 0x02, 0x00, 0x0c, 0x00, 0x00, 0x00,
		0xd4, 0xc3, 0xb2, 0xa1, 0x00, 0x10, 0x1f, 0x00,
	};
	struct drover_frame_header h = { .length = 0x20304, .type = DROVER_FRAME_PAGE_BATCH,
					 .sequence = 0xa1b2c3d4, .payload = 0x1f1000 };
	uint8_t raw[DROVER_FRAME_HEADER_SIZE];

	drover_frame_pack(&h, raw);
	assert_int_equal(sizeof(want), DROVER_FRAME_HEADER_SIZE);
	assert_memory_equal(raw, want, sizeof(want));
}

static void flags_travel_in_their_place(void **state)
{
	struct drover_frame_header h = { .type = 1, .flags = 0x1234 };
	uint8_t raw[DROVER_FRAME_HEADER_SIZE];

	drover_frame_pack(&h, raw);
	assert_int_equal(raw[6], 0x34);
	assert_int_equal(raw[7], 0x12);
}

static void round_trip(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 255, 65536, DROVER_FRAME_BODY_MAX };
	static const uint32_t payloads[] = { 0, 1, 4096, DROVER_FRAME_PAYLOAD_MAX };
	static const uint32_t sequences[] = { 0, 1, 0x7fffffff, UINT32_MAX };

	for (int l = 0; l < 5; l++)
		for (int p = 0; p < 4; p++)
			for (int s = 0; s < 4; s++) {
				struct drover_frame_header h = {
					.length = lengths[l], .type = DROVER_FRAME_COMMIT,
					.sequence = sequences[s], .payload = payloads[p],
				}, got;
				struct drover_err err = { 0 };

				memset(&got, 0xff, sizeof(got));
				assert_int_equal(unpack(&h, &got, &err), 0);
				assert_memory_equal(&got, &h, sizeof(h));
				assert_int_equal(err.code, 0);
			}
}

static void only_registered_types(void **state)
{
	for (uint32_t type = 0; type <= UINT16_MAX; type++) {
		struct drover_frame_header h = { .type = type }, got;
		struct drover_err err = { 0 };
		int r = unpack(&h, &got, &err);

		assert_int_equal(r, known(type) ? 0 : -EPROTO);
		assert_int_equal(err.code, r);
		if (r < 0)
			assert_non_null(strstr(err.text, "unknown type"));
	}
}

static void no_flags(void **state)
{
	for (int bit = 0; bit < 16; bit++) {
		struct drover_frame_header h = { .type = 1, .flags = 1U << bit }, got;
		struct drover_err err = { 0 };

		assert_int_equal(unpack(&h, &got, &err), -EPROTO);
		assert_non_null(strstr(err.text, "unknown flags"));
	}
}

static void no_large_body(void **state)
{
	static const uint32_t lengths[] = { DROVER_FRAME_BODY_MAX + 1, 1U << 31, UINT32_MAX };

	for (int i = 0; i < 3; i++) {
		struct drover_frame_header h = { .type = 1, .length = lengths[i] }, got;
		struct drover_err err = { 0 };

		assert_int_equal(unpack(&h, &got, &err), -EPROTO);
		assert_non_null(strstr(err.text, "larger than the protocol allows"));
	}
}

static void no_large_payload(void **state)
{
	static const uint32_t payloads[] = { DROVER_FRAME_PAYLOAD_MAX + 1, 1U << 31, UINT32_MAX };

	for (int i = 0; i < 3; i++) {
		struct drover_frame_header h = { .type = 12, .payload = payloads[i] }, got;
		struct drover_err err = { 0 };

		assert_int_equal(unpack(&h, &got, &err), -EPROTO);
		assert_non_null(strstr(err.text, "larger than the protocol allows"));
	}
}

static void refusal_writes_nothing(void **state)
{
	struct drover_frame_header h = { .type = 99 }, got, before;

	memset(&got, 0x5a, sizeof(got));
	before = got;
	assert_int_equal(unpack(&h, &got, NULL), -EPROTO);
	assert_memory_equal(&got, &before, sizeof(got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_permanent),
		cmocka_unit_test(flags_travel_in_their_place),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(only_registered_types),
		cmocka_unit_test(no_flags),
		cmocka_unit_test(no_large_body),
		cmocka_unit_test(no_large_payload),
		cmocka_unit_test(refusal_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
