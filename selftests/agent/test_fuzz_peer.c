// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams that were right once, mutated: whatever a peer sends, there is no crash,
 * no hang, and a sentence with every refusal. The same mutations in every run.
 */
#include <drover.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/config.h"
#include "loop.h"
#include "migrate/ram.h"

#define PAGE	 DROVER_PAGE_SIZE
#define PAGES	 1500U
#define STREAM_MAX 65536
#define BUDGET_US 1000000

static uint64_t random_state;

/* xorshift64: the same everywhere. */
static uint32_t roll(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % n;
}

struct bytes {
	uint8_t at[STREAM_MAX];
	size_t len;
};

static void append(struct bytes *s, const void *data, size_t len)
{
	assert_true(s->len + len <= STREAM_MAX);
	memcpy(s->at + s->len, data, len);
	s->len += len;
}

static void append_message(struct bytes *s, enum drover_frame_type type, uint32_t sequence,
			   const ProtobufCMessage *message, uint32_t payload)
{
	struct drover_frame_header h = { .type = type, .sequence = sequence, .payload = payload };
	uint8_t raw[DROVER_FRAME_HEADER_SIZE], body[4096];

	h.length = protobuf_c_message_pack(message, body);
	drover_frame_pack(&h, raw);
	append(s, raw, sizeof(raw));
	append(s, body, h.length);
}

static void mutate_once(struct bytes *s)
{
	static const uint32_t numbers[] = {
		0, 1, 0x7f, 0x80, 0xff, 511, 512, 513, 4096, 1U << 20, (1U << 20) + 1, 2U << 20,
		(2U << 20) + 1, INT32_MAX, 1U << 31, UINT32_MAX,
	};
	size_t at, n;

	if (s->len < 8)
		return;
	/* Mostly where headers and bodies are. */
	at = roll(roll(3) ? (s->len < 160 ? s->len : 160) : s->len);
	n = 1 + roll(16);
	if (at + n > s->len)
		n = s->len - at;
	switch (roll(8)) {
	case 0:
		s->at[at] ^= 1 << roll(8);
		break;
	case 1:
		s->at[at] = roll(256);
		break;
	case 2:
		at = at + 4 > s->len ? s->len - 4 : at;
		memcpy(s->at + at, &numbers[roll(16)], 4);
		break;
	case 3:
		s->len = at;
		break;
	case 4:
		memmove(s->at + at, s->at + at + n, s->len - at - n);
		s->len -= n;
		break;
	case 5:
		if (s->len + n > STREAM_MAX)
			break;
		memmove(s->at + at + n, s->at + at, s->len - at);
		s->len += n;
		break;
	case 6:
		for (size_t i = 0; i < n; i++)
			s->at[at + i] = roll(256);
		break;
	case 7:
		memset(s->at + at, roll(2) ? 0xff : 0, n);
		break;
	}
}

static void mutate(struct bytes *s)
{
	for (int n = 1 + roll(4); n; n--)
		mutate_once(s);
}

/* A socket with the bytes in it, and their end. */
static void offer(const struct bytes *s, int ret[2])
{
	/* Thousands of these would use up all ports if each lingered for a minute. */
	struct linger none = { .l_onoff = 1 };

	loop_pair(ret);
	setsockopt(ret[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	fcntl(ret[0], F_SETFL, O_NONBLOCK);
	(void)!send(ret[0], s->at, s->len, MSG_NOSIGNAL);
	shutdown(ret[0], SHUT_WR);
}

static void expect_sentence(int r, const struct drover_err *err)
{
	if (r < 0 && (!err->text[0] || err->code != r))
		fail_msg("%d without a sentence", r);
}

static void accepts(const struct bytes *s, bool intact)
{
	struct drover_peer *peer = NULL;
	Drover__Hello *hello = NULL;
	struct drover_err err = { 0 };
	struct drover_conf conf;
	int fd[2], r;

	loop_conf(&conf, "host2", "host1");
	offer(s, fd);
	r = drover_peer_accept(&conf, fd[1], &peer, &hello, &err);
	expect_sentence(r, &err);
	assert_true(!intact || r == 0);
	if (r == 0) {
		assert_string_equal(peer->host, "host1");
		assert_non_null(hello);
		drover__hello__free_unpacked(hello, NULL);
		drover_peer_close(peer);
	} else {
		assert_null(peer);
		assert_null(hello);
	}
	close(fd[0]);
}

static void fuzz(const struct bytes *good, void (*try)(const struct bytes *s, bool intact))
{
	uint64_t until = drover_clock_monotonic() + BUDGET_US;
	static struct bytes s;
	int n = 0;

	random_state = 0x9e3779b97f4a7c15;
	try(good, true);
	for (; n < 20000 && drover_clock_monotonic() < until; n++) {
		s = *good;
		mutate(&s);
		try(&s, false);
	}
	print_message("# %d mutations\n", n);
	assert_true(n > 50);
}

static void hello_mutated(void **state)
{
	uint8_t token[DROVER_PEER_TOKEN_SIZE] = { 1, 2, 3 };
	Drover__Hello hello = DROVER__HELLO__INIT;
	static struct bytes good;

	hello.version_min = hello.version_max = 1;
	hello.features = 1ULL << 40;
	hello.host = (char *)"host1";
	hello.role = DROVER__ROLE__ROLE_RAM;
	hello.migration_id = 77;
	hello.token.data = token;
	hello.token.len = sizeof(token);
	hello.stream = 3;
	append_message(&good, DROVER_FRAME_HELLO, 0, &hello.base, 0);
	fuzz(&good, accepts);
}

/* Reads frames, unpacks each as every message there is. */
static void receives(const struct bytes *s, bool intact)
{
	static const ProtobufCMessageDescriptor *const all[] = {
		&drover__hello__descriptor, &drover__hello_reply__descriptor,
		&drover__peer_error__descriptor, &drover__prepare__descriptor,
		&drover__prepare_reply__descriptor, &drover__page_batch__descriptor,
		&drover__verify_pages__descriptor, &drover__verify_hashes__descriptor,
		&drover__outcome__descriptor, &drover__host_reply__descriptor,
		&drover__vm_reply__descriptor,
	};
	struct drover_err err = { 0 };
	enum drover_frame_type type;
	struct drover_peer *peer;
	int fd[2], r, frames = 0;
	uint8_t *body, buf[64];
	size_t len;

	offer(s, fd);
	peer = loop_peer(fd[1], "host1");
	while ((r = drover_peer_recv(peer, &type, &body, &len, &err)) == 0) {
		frames++;
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			void *message = drover_peer_unpack(all[i], body, len, NULL);

			if (message)
				protobuf_c_message_free_unpacked(message, NULL);
		}
		free(body);
		while (peer->pending.payload && r == 0) {
			uint32_t n = peer->pending.payload < 64 ? peer->pending.payload : 64;

			r = drover_peer_recv_payload(peer, buf, n, &err);
		}
		if (r < 0)
			break;
	}
	expect_sentence(r, &err);
	assert_true(!intact || (frames == 5 && r == -ENODATA));
	drover_peer_close(peer);
	close(fd[0]);
}

static void frames_mutated(void **state)
{
	Drover__Prepare prepare = DROVER__PREPARE__INIT;
	Drover__VerifyHashes hashes = DROVER__VERIFY_HASHES__INIT;
	Drover__VmReply vm = DROVER__VM_REPLY__INIT;
	Drover__VmInfo info = DROVER__VM_INFO__INIT;
	Drover__OldImage image = DROVER__OLD_IMAGE__INIT, *images[] = { &image };
	Drover__Outcome outcome = DROVER__OUTCOME__INIT;
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;
	char *flags[] = { (char *)"svm", (char *)"avx2", (char *)"sse4_2" };
	uint8_t text[300] = "[vm]\nname = web1\n";
	static struct bytes good;

	prepare.migration_id = 1;
	prepare.vm = (char *)"web1";
	prepare.definition.data = text;
	prepare.definition.len = sizeof(text);
	prepare.cpu_flags = flags;
	prepare.n_cpu_flags = 3;
	hashes.hashes.data = text;
	hashes.hashes.len = 64;
	info.name = (char *)"web1";
	vm.present = true;
	vm.vm = &info;
	vm.old = images;
	vm.n_old = 1;
	append_message(&good, DROVER_FRAME_PREPARE, 0, &prepare.base, 0);
	append_message(&good, DROVER_FRAME_VERIFY_HASHES, 1, &hashes.base, 0);
	append_message(&good, DROVER_FRAME_VM_REPLY, 2, &vm.base, 0);
	append_message(&good, DROVER_FRAME_OUTCOME, 3, &outcome.base, 0);
	append_message(&good, DROVER_FRAME_ROUND_END, 4, &end.base, 100);
	append(&good, text, 100);
	fuzz(&good, receives);
}

static void fills(const struct bytes *s, bool intact)
{
	struct drover_err err = { 0 };
	struct drover_peer *peer;
	struct drover_ram ram;
	int fd[2], file = memfd_create("ram", MFD_CLOEXEC), r;
	struct stat st;

	assert_int_equal(ftruncate(file, PAGES * PAGE), 0);
	assert_int_equal(drover_ram_init(&ram, file, PAGES, 2, NULL), 0);
	offer(s, fd);
	peer = loop_peer(fd[1], "host1");
	r = drover_ram_receive(&ram, peer, 0, &err);
	expect_sentence(r, &err);
	assert_true(!intact || (r == 0 && ram.data_pages == 5 && ram.zero_pages == 3));
	/* Never larger, and nothing in the region of the other stream. */
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_size, PAGES * PAGE);
	r = lseek(file, 512 * PAGE, SEEK_DATA);
	assert_true(r < 0 || r >= 1024 * (int)PAGE);
	drover_peer_close(peer);
	drover_ram_exit(&ram);
	close(fd[0]);
	close(file);
}

static void append_batch(struct bytes *s, uint32_t sequence, uint64_t first, uint32_t count,
			 uint8_t data, uint8_t zero, uint32_t pages)
{
	Drover__PageBatch batch = DROVER__PAGE_BATCH__INIT;
	uint8_t map[2][64] = { { data }, { zero } }, page[PAGE];

	batch.first_page = first;
	batch.count = count;
	batch.data.data = map[0];
	batch.zero.data = map[1];
	batch.data.len = batch.zero.len = (count + 7) / 8;
	append_message(s, DROVER_FRAME_PAGE_BATCH, sequence, &batch.base, pages * PAGE);
	memset(page, 0xab, PAGE);
	while (pages--)
		append(s, page, PAGE);
}

static void batches_mutated(void **state)
{
	Drover__RoundEnd end = DROVER__ROUND_END__INIT;
	static struct bytes good;

	append_batch(&good, 0, 0, 8, 0x11, 0x06, 2);
	append_batch(&good, 1, 1024, 476, 0x80, 0x01, 1);
	append_message(&good, DROVER_FRAME_ROUND_END, 2, &end.base, 0);
	append_batch(&good, 3, 64, 64, 0x03, 0x00, 2);
	append_message(&good, DROVER_FRAME_ROUND_END, 4, &end.base, 0);
	fuzz(&good, fills);
}

static void nothing_at_all(void **state)
{
	static const struct bytes none;

	for (int i = 0; i < 10; i++) {
		accepts(&none, false);
		receives(&none, false);
		fills(&none, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_mutated),
		cmocka_unit_test(frames_mutated),
		cmocka_unit_test(batches_mutated),
		cmocka_unit_test(nothing_at_all),
	};

	signal(SIGPIPE, SIG_IGN);
	/* A hang ends the program. */
	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
