// SPDX-License-Identifier: GPL-2.0-or-later
/* The receiving side of RAM streams: data lands, and what is wrong is refused before a byte is. */
#include <drover.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "loop.h"
#include "migrate/ram.h"

#define PAGE  DROVER_PAGE_SIZE
#define PAGES 1000U

/* One stream of a target, served in a thread; the test speaks on @fd. */
struct target {
	struct drover_ram ram;
	struct drover_peer *peer;
	uint32_t stream;
	int fd;
	uint32_t sequence;
	uint32_t rounds;
	pthread_t thread;
	int result;
	struct drover_err err;
};

static void *receive(void *data)
{
	struct target *t = data;

	t->result = drover_ram_receive(&t->ram, t->peer, t->stream, &t->err);
	/* As the agent does: the sender must not wait for a reader that has gone. */
	drover_peer_close(t->peer);
	t->peer = NULL;
	return NULL;
}

static int ram_file(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	return fd;
}

static void target_start(struct target *t, int ram_fd, uint32_t streams, uint32_t stream)
{
	int pair[2];

	memset(t, 0, sizeof(*t));
	loop_pair(pair);
	t->fd = pair[0];
	t->peer = loop_peer(pair[1], "host1");
	t->stream = stream;
	assert_int_equal(drover_ram_init(&t->ram, ram_fd, PAGES, streams, &t->err), 0);
	assert_int_equal(pthread_create(&t->thread, NULL, receive, t), 0);
}

static int target_end(struct target *t)
{
	shutdown(t->fd, SHUT_WR);
	pthread_join(t->thread, NULL);
	close(t->fd);
	drover_peer_close(t->peer);
	drover_ram_exit(&t->ram);
	return t->result;
}

struct batch {
	uint64_t first;
	uint32_t count;
	uint8_t data[65], zero[65];
	size_t data_len, zero_len;
	uint32_t payload;
};

static struct batch batch_of(uint64_t first, uint32_t count)
{
	return (struct batch){ .first = first, .count = count, .data_len = (count + 7) / 8,
			       .zero_len = (count + 7) / 8 };
}

static void want_data(struct batch *b, uint32_t n)
{
	b->data[n / 8] |= 1 << n % 8;
	b->payload += PAGE;
}

static void want_zero(struct batch *b, uint32_t n)
{
	b->zero[n / 8] |= 1 << n % 8;
}

static void send_header(struct target *t, struct batch *b)
{
	Drover__PageBatch m = DROVER__PAGE_BATCH__INIT;

	m.first_page = b->first;
	m.count = b->count;
	m.data.data = b->data;
	m.data.len = b->data_len;
	m.zero.data = b->zero;
	m.zero.len = b->zero_len;
	loop_message(t->fd, DROVER_FRAME_PAGE_BATCH, t->sequence++, &m.base, b->payload);
}

static uint8_t content(uint64_t page, int version)
{
	return 1 + (page * 7 + version * 31) % 255;
}

/* The batch and its pages; a target that hangs up is no failure here. */
static void send_batch(struct target *t, struct batch *b, int version)
{
	uint8_t page[PAGE];

	send_header(t, b);
	for (uint32_t i = 0; i < b->count; i++) {
		if (!(b->data[i / 8] >> i % 8 & 1))
			continue;
		memset(page, content(b->first + i, version), PAGE);
		if (drover_io_write(t->fd, page, PAGE) < 0)
			return;
	}
}

static void round_end(struct target *t, uint32_t round)
{
	struct drover_peer *peer = loop_peer(dup(t->fd), "host2");
	Drover__RoundEnd end = DROVER__ROUND_END__INIT, *reply;
	struct drover_err err = { 0 };

	end.round = round;
	loop_message(t->fd, DROVER_FRAME_ROUND_END, t->sequence++, &end.base, 0);
	peer->sequence_in = t->rounds++;
	assert_int_equal(drover_peer_expect(peer, DROVER_FRAME_ROUND_END,
					    &drover__round_end__descriptor,
					    (ProtobufCMessage **)&reply, &err), 0);
	assert_int_equal(reply->round, round);
	drover__round_end__free_unpacked(reply, NULL);
	drover_peer_close(peer);
}

static void expect_page(int fd, uint64_t page, int byte)
{
	uint8_t want[PAGE], got[PAGE];

	memset(want, byte, PAGE);
	assert_int_equal(pread(fd, got, PAGE, page * PAGE), PAGE);
	if (memcmp(want, got, PAGE))
		fail_msg("page %llu does not hold %#x but %#x", (unsigned long long)page, byte,
			 got[0]);
}

static uint64_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, PAGES * PAGE);
	return st.st_blocks * 512 / PAGE;
}

static void data_lands_where_it_belongs(void **state)
{
	uint8_t want[PAGES] = { 0 };
	int fd = ram_file();
	struct target t;
	uint32_t sent = 0, zeros = 0;

	srandom(3);
	target_start(&t, fd, 1, 0);
	for (int version = 0; version < 4; version++) {
		for (uint64_t first = 0; first < PAGES; first += 512) {
			struct batch b = batch_of(first, PAGES - first < 512 ? PAGES - first : 512);

			for (uint32_t i = 0; i < b.count; i++) {
				/* Runs, so that the buffer's edge falls inside of some. */
				int kind = (i / 70 + random() % 8 / 7) % 3;

				if (kind == 0) {
					want_data(&b, i);
					want[first + i] = content(first + i, version);
					sent++;
				} else if (kind == 1) {
					want_zero(&b, i);
					want[first + i] = 0;
					zeros++;
				}
			}
			send_batch(&t, &b, version);
		}
		round_end(&t, version + 1);
		for (uint32_t p = 0; p < PAGES; p++)
			expect_page(fd, p, want[p]);
	}
	assert_int_equal(t.ram.data_pages, sent);
	assert_int_equal(t.ram.zero_pages, zeros);
	assert_true(t.ram.wire_bytes > (uint64_t)sent * PAGE);
	assert_int_equal(target_end(&t), 0);
	close(fd);
}

static void zero_pages_become_holes(void **state)
{
	struct batch data = batch_of(0, 64), zero = batch_of(0, 64);
	int fd = ram_file();
	struct target t;

	target_start(&t, fd, 1, 0);
	for (int i = 0; i < 32; i++)
		want_data(&data, i);
	for (int i = 0; i < 64; i++)
		want_zero(&zero, i);
	send_batch(&t, &data, 0);
	round_end(&t, 1);
	assert_int_equal(blocks(fd), 32);
	send_batch(&t, &zero, 0);
	round_end(&t, 2);
	assert_int_equal(blocks(fd), 0);
	send_batch(&t, &data, 1);
	round_end(&t, 3);
	expect_page(fd, 31, content(31, 1));
	assert_int_equal(target_end(&t), 0);
	close(fd);
}

/* QEMU may have put something there before the first page came, firmware for one. */
static void what_was_there_before_is_cleared(void **state)
{
	struct batch zero = batch_of(64, 64);
	uint8_t page[PAGE];
	int fd = ram_file();
	struct target t;

	memset(page, 0xee, PAGE);
	assert_int_equal(pwrite(fd, page, PAGE, 70 * PAGE), PAGE);
	assert_int_equal(pwrite(fd, page, PAGE, (PAGES - 1) * PAGE), PAGE);
	target_start(&t, fd, 1, 0);
	want_zero(&zero, 6);
	send_batch(&t, &zero, 0);
	round_end(&t, 1);
	expect_page(fd, 70, 0);
	expect_page(fd, PAGES - 1, 0xee);
	assert_int_equal(target_end(&t), 0);
	close(fd);
}

static void file_larger_than_the_ram(void **state)
{
	struct drover_err err = { 0 };
	struct drover_ram ram;
	int fd = ram_file();

	assert_int_equal(pwrite(fd, "x", 1, 900 * PAGE), 1);
	assert_int_equal(drover_ram_init(&ram, fd, 64, 1, &err), 0);
	assert_true(ram.written[0] == 0);
	drover_ram_exit(&ram);
	assert_int_equal(drover_ram_init(&ram, fd, 901, 1, &err), 0);
	assert_true(ram.written[900 / 64] == 1ULL << 900 % 64);
	drover_ram_exit(&ram);
	close(fd);
	assert_true(drover_ram_init(&ram, fd, 64, 1, &err) < 0);
	assert_null(ram.written);
}

/* Sends @b to stream 0 of @streams; nothing must have been written. */
static void refused(struct batch *b, uint32_t streams, const char *why)
{
	static const uint8_t junk[4 * PAGE] = { 1 };
	int fd = ram_file();
	struct target t;

	target_start(&t, fd, streams, 0);
	send_header(&t, b);
	drover_io_write(t.fd, junk, b->payload < sizeof(junk) ? b->payload : sizeof(junk));
	assert_int_equal(target_end(&t), -EPROTO);
	assert_text(t.err, why);
	assert_int_equal(t.ram.data_pages + t.ram.zero_pages, 0);
	assert_int_equal(blocks(fd), 0);
	close(fd);
}

static void batches_outside_of_the_memory(void **state)
{
	static const struct {
		uint64_t first;
		uint32_t count;
	} bad[] = {
		{ 1, 1 }, { 63, 64 }, { 0, 0 }, { 0, 513 }, { 0, UINT32_MAX },
		{ 1024, 1 }, { 960, 41 }, { 512, 489 }, { UINT64_MAX - 63, 64 },
		{ UINT64_MAX - 63, 1 }, { 1ULL << 63, 1 }, { 1ULL << 52, 512 }, { 1ULL << 32, 1 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct batch b = batch_of(bad[i].first, bad[i].count);

		if (b.data_len > 65)
			b.data_len = b.zero_len = 65;
		if (bad[i].count)
			want_data(&b, 0);
		refused(&b, 1, "outside of the VM's memory");
	}
}

static void batches_of_other_streams(void **state)
{
	struct batch b = batch_of(512, 1), across = batch_of(448, 128);

	want_data(&b, 0);
	refused(&b, 2, "a stream that its region does not belong to");
	refused(&b, 16, "a stream that its region does not belong to");
	want_data(&across, 0);
	refused(&across, 1, "a stream that its region does not belong to");
}

static void regions_of_each_stream(void **state)
{
	for (uint32_t stream = 0; stream < 2; stream++) {
		struct batch b = batch_of(512 * stream, 8);
		int fd = ram_file();
		struct target t;

		target_start(&t, fd, 2, stream);
		want_data(&b, 7);
		send_batch(&t, &b, 0);
		round_end(&t, 1);
		assert_int_equal(target_end(&t), 0);
		expect_page(fd, 512 * stream + 7, content(512 * stream + 7, 0));
		close(fd);
	}
}

static void bitmaps_of_the_wrong_size(void **state)
{
	static const size_t bad[][2] = { { 0, 0 }, { 7, 8 }, { 8, 7 }, { 9, 8 }, { 8, 9 },
					 { 8, 0 }, { 0, 8 }, { 65, 65 } };

	for (int i = 0; i < 8; i++) {
		struct batch b = batch_of(0, 64);

		b.data_len = bad[i][0];
		b.zero_len = bad[i][1];
		want_data(&b, 0);
		refused(&b, 1, "whose bitmaps have the wrong size");
	}
}

static void contradictory_bitmaps(void **state)
{
	struct batch both = batch_of(0, 64), beyond = batch_of(0, 60), zero = batch_of(0, 60);

	want_data(&both, 0);
	want_data(&both, 63);
	want_zero(&both, 63);
	refused(&both, 1, "whose bitmaps contradict each other");
	want_data(&beyond, 60);
	refused(&beyond, 1, "whose bitmaps contradict each other");
	want_zero(&zero, 63);
	refused(&zero, 1, "whose bitmaps contradict each other");
}

static void data_of_the_wrong_size(void **state)
{
	static const int wrong[] = { -1, 1, -(int)PAGE, PAGE };

	for (int i = 0; i < 4; i++) {
		struct batch b = batch_of(0, 64);

		want_data(&b, 3);
		want_data(&b, 4);
		b.payload += wrong[i];
		refused(&b, 1, "whose data has the wrong size");
	}
}

static void other_frames(void **state)
{
	static const uint8_t bad[] = "\xff\xff\xff\xff";
	struct drover_frame_header h = { .type = DROVER_FRAME_PAGE_BATCH, .length = 4 };
	struct drover_frame_header end = { .type = DROVER_FRAME_ROUND_END, .length = 4 };
	Drover__Commit commit = DROVER__COMMIT__INIT;
	int fd = ram_file();
	struct target t;

	target_start(&t, fd, 1, 0);
	loop_frame(t.fd, &h, bad, 4);
	assert_int_equal(target_end(&t), -EPROTO);
	assert_text(t.err, "malformed PageBatch");
	target_start(&t, fd, 1, 0);
	loop_frame(t.fd, &end, bad, 4);
	assert_int_equal(target_end(&t), -EPROTO);
	assert_text(t.err, "malformed RoundEnd");
	target_start(&t, fd, 1, 0);
	loop_message(t.fd, DROVER_FRAME_COMMIT, 0, &commit.base, 0);
	assert_int_equal(target_end(&t), -EPROTO);
	assert_text(t.err, "frame type 22 has no place on a RAM stream");
	assert_int_equal(blocks(fd), 0);
	close(fd);
}

/* However much of a batch came, its end is an error: pages are missing. */
static void cut_off_batches(void **state)
{
	static const size_t sent[] = { 0, 1, PAGE, 64 * PAGE, 99 * PAGE, 100 * PAGE - 1 };

	for (int i = 0; i < 6; i++) {
		struct batch b = batch_of(0, 100);
		uint8_t *pages = calloc(100, PAGE);
		int fd = ram_file();
		struct target t;

		target_start(&t, fd, 1, 0);
		for (int p = 0; p < 100; p++)
			want_data(&b, p);
		send_header(&t, &b);
		assert_int_equal(drover_io_write(t.fd, pages, sent[i]), 0);
		assert_int_equal(target_end(&t), -EPIPE);
		assert_text(t.err, "the connection to host1 was lost");
		free(pages);
		close(fd);
	}
}

static void orderly_end(void **state)
{
	int fd = ram_file();
	struct target t;

	target_start(&t, fd, 1, 0);
	assert_int_equal(target_end(&t), 0);
	assert_int_equal(t.err.code, 0);
	close(fd);
}

static void file_size_limit(void **state)
{
	struct rlimit small = { 8 * PAGE, RLIM_INFINITY }, none = { RLIM_INFINITY, RLIM_INFINITY };
	struct batch b = batch_of(0, 64);
	int fd = ram_file(), r;
	struct target t;

	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 64; i++)
		want_data(&b, i);
	target_start(&t, fd, 1, 0);
	setrlimit(RLIMIT_FSIZE, &small);
	send_batch(&t, &b, 0);
	r = target_end(&t);
	setrlimit(RLIMIT_FSIZE, &none);
	assert_int_equal(r, -EFBIG);
	assert_text(t.err, "cannot write to the RAM file");
	close(fd);
}

/* A mount that only this process sees; it ends with it. */
static int tiny_tmpfs(char *dir)
{
	if (!mkdtemp(dir))
		return -errno;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=64k") < 0) {
		rmdir(dir);
		return -errno;
	}
	return 0;
}

static void full_tmpfs(void **state)
{
	char dir[] = "/tmp/drover-ram.XXXXXX", path[64];
	struct batch b = batch_of(0, 64);
	struct target t;
	int fd, r = tiny_tmpfs(dir);

	if (r < 0) {
		fprintf(stderr, "# SKIPPED: full_tmpfs: cannot mount a tmpfs: %s\n", strerror(-r));
		skip();
	}
	snprintf(path, sizeof(path), "%s/ram", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, PAGES * PAGE), 0);
	for (int i = 0; i < 64; i++)
		want_data(&b, i);
	target_start(&t, fd, 1, 0);
	send_batch(&t, &b, 0);
	r = target_end(&t);
	close(fd);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	assert_int_equal(r, -ENOSPC);
	assert_text(t.err, "cannot write to the RAM file: No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_lands_where_it_belongs),
		cmocka_unit_test(zero_pages_become_holes),
		cmocka_unit_test(what_was_there_before_is_cleared),
		cmocka_unit_test(file_larger_than_the_ram),
		cmocka_unit_test(batches_outside_of_the_memory),
		cmocka_unit_test(batches_of_other_streams),
		cmocka_unit_test(regions_of_each_stream),
		cmocka_unit_test(bitmaps_of_the_wrong_size),
		cmocka_unit_test(contradictory_bitmaps),
		cmocka_unit_test(data_of_the_wrong_size),
		cmocka_unit_test(other_frames),
		cmocka_unit_test(cut_off_batches),
		cmocka_unit_test(orderly_end),
		cmocka_unit_test(file_size_limit),
		cmocka_unit_test(full_tmpfs),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
