// SPDX-License-Identifier: GPL-2.0-only
/*
 * See stream.h. Pages are found in the page cache of the RAM files, never through a mapping: a
 * hole must not be filled by looking at it.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "stream.h"

#define WORD_PAGES	64
#define BATCH		16	/* pages given to the socket at once */

static bool has_entry(struct address_space *mapping, pgoff_t index)
{
	bool has;

	rcu_read_lock();
	has = xa_load(&mapping->i_pages, index);
	rcu_read_unlock();
	return has;
}

/*
 * The page with a reference, read in if it was swapped out; NULL if it is a hole, or allocated and
 * never written.
 */
static struct page *get_page_at(const struct drover_ram *ram, u64 number)
{
	pgoff_t index;
	struct address_space *mapping = drover_ram_find(ram, number, &index);
	struct page *page;

	if (!has_entry(mapping, index))
		return NULL;
	page = drover_cache_get(mapping, index);
	if (!page) {
		page = shmem_read_mapping_page(mapping, index);
		if (IS_ERR(page))
			return page;
	}
	if (PageHWPoison(page)) {
		put_page(page);
		return ERR_PTR(-EIO);
	}
	if (!PageUptodate(page)) {
		put_page(page);
		return NULL;
	}
	return page;
}

/* Return: 1 if the page holds data, 0 if it is zero, or a negative errno. */
static int has_data(const struct drover_ram *ram, u64 number)
{
	struct page *page = get_page_at(ram, number);
	void *bytes;
	int ret;

	if (IS_ERR_OR_NULL(page))
		return PTR_ERR_OR_ZERO(page);
	bytes = kmap_local_page(page);
	ret = memchr_inv(bytes, 0, PAGE_SIZE) != NULL;
	kunmap_local(bytes);
	put_page(page);
	return ret;
}

static bool range_is_valid(const struct drover_ram *ram, u64 first, u32 count)
{
	return first % WORD_PAGES == 0 && count && count <= DROVER_TAKE_PAGES_MAX &&
	       first < ram->pages && count <= ram->pages - first;
}

/* The bits of the @word'th 64 pages that are among the first @count pages. */
static u64 word_mask(u32 count, unsigned int word)
{
	u32 bits = count - min(count, word * WORD_PAGES);

	return bits >= WORD_PAGES ? ~0ULL : (1ULL << bits) - 1;
}

static int take_word(const struct drover_ram *ram, u64 first, u64 taken, u64 *data)
{
	unsigned int n;

	for (n = 0; n < WORD_PAGES; n++) {
		int ret;

		if (!(taken & BIT_ULL(n)))
			continue;
		ret = has_data(ram, first + n);
		if (ret < 0)
			return -EIO;
		if (ret)
			*data |= BIT_ULL(n);
	}
	return 0;
}

/* Puts the bits of a TAKE back. */
void drover_stream_untake(struct drover_bitmap *bitmap, const struct drover_take *take)
{
	unsigned int word;

	for (word = 0; word < ARRAY_SIZE(take->data); word++)
		drover_bitmap_or(bitmap, take->first + word * WORD_PAGES,
				 take->data[word] | take->zero[word]);
}

/**
 * drover_stream_take() - take bits out of the bitmap, and sort their pages into data and zero
 * @ram:	the RAM files
 * @bitmap: where the bits are taken from
 * @take:	as user space gave it; out: the rest
 *
 * Return: 0, -EINVAL, or -EIO, after which the bits are back.
 */
int drover_stream_take(const struct drover_ram *ram, struct drover_bitmap *bitmap,
		       struct drover_take *take)
{
	unsigned int word;
	int ret;

	if (take->pad || !range_is_valid(ram, take->first, take->count))
		return -EINVAL;
	take->data_pages = 0;
	take->zero_pages = 0;
	memset(take->data, 0, sizeof(take->data));
	memset(take->zero, 0, sizeof(take->zero));
	for (word = 0; word * WORD_PAGES < take->count; word++) {
		u64 first = take->first + word * WORD_PAGES;
		u64 taken = drover_bitmap_take(bitmap, first / WORD_PAGES,
					       word_mask(take->count, word));

		take->zero[word] = taken;
		ret = take_word(ram, first, taken, &take->data[word]);
		if (ret) {
			drover_stream_untake(bitmap, take);
			return ret;
		}
		take->zero[word] &= ~take->data[word];
		take->data_pages += hweight64(take->data[word]);
		take->zero_pages += hweight64(take->zero[word]);
	}
	return 0;
}

/* The socket of the caller's descriptor, if it can take pages. */
static struct socket *get_socket(int fd)
{
	int ret;
	struct socket *sock = sockfd_lookup(fd, &ret);
	const struct sock *sk;

	if (!sock)
		return ERR_PTR(ret);
	sk = sock->sk;
	ret = -EOPNOTSUPP;
	if (sock->type != SOCK_STREAM || sk->sk_protocol != IPPROTO_TCP ||
	    (sk->sk_family != AF_INET && sk->sk_family != AF_INET6))
		goto put;
	ret = -ENOTCONN;
	if ((1 << READ_ONCE(sk->sk_state)) & (TCPF_LISTEN | TCPF_SYN_SENT | TCPF_SYN_RECV))
		goto put;
	return sock;
put:
	sockfd_put(sock);
	return ERR_PTR(ret);
}

/* Goes past the first @bytes of @vec; returns how many of its pages are done with. */
static unsigned int advance(struct bio_vec *vec, size_t bytes)
{
	unsigned int done = 0;

	while (bytes) {
		size_t n = min_t(size_t, bytes, vec[done].bv_len);

		vec[done].bv_offset += n;
		vec[done].bv_len -= n;
		bytes -= n;
		if (!vec[done].bv_len)
			done++;
	}
	return done;
}

static int send_vec(struct socket *sock, struct bio_vec *vec, unsigned int count, bool more,
		    u64 *bytes)
{
	unsigned int done = 0;

	while (done < count) {
		ssize_t ret;

		if (signal_pending(current))
			return -EINTR;
		ret = drover_sock_splice(sock, vec + done, count - done, more);
		if (ret == -ERESTARTSYS)
			return -EINTR;
		if (ret <= 0)
			return ret ?: -EPIPE;
		*bytes += ret;
		done += advance(vec + done, ret);
	}
	return 0;
}

/* The next pages that @send asks for, from page *@next on; each with a reference. */
static int fill_vec(const struct drover_ram *ram, const struct drover_send *send, u32 *next,
		    struct bio_vec *vec, unsigned int *count)
{
	for (*count = 0; *next < send->count && *count < BATCH; ++*next) {
		struct page *page;

		if (!(send->data[*next / WORD_PAGES] & BIT_ULL(*next % WORD_PAGES)))
			continue;
		page = get_page_at(ram, send->first + *next);
		if (IS_ERR(page))
			return -EIO;
		if (!page) {
			/* It was data when it was taken: then it went, and is zero. */
			page = ZERO_PAGE(0);
			get_page(page);
		}
		vec[*count].bv_page = page;
		vec[*count].bv_offset = 0;
		vec[*count].bv_len = PAGE_SIZE;
		++*count;
	}
	return 0;
}

static bool has_more(const struct drover_send *send, u32 next)
{
	for (; next < send->count; next++)
		if (send->data[next / WORD_PAGES] & BIT_ULL(next % WORD_PAGES))
			return true;
	return false;
}

static int send_pages(const struct drover_ram *ram, struct drover_stats *stats,
		      struct socket *sock, struct drover_send *send)
{
	struct page *pages[BATCH];
	struct bio_vec vec[BATCH];
	u32 next = 0;
	int ret;

	do {
		unsigned int count, n;

		ret = fill_vec(ram, send, &next, vec, &count);
		for (n = 0; n < count; n++)
			pages[n] = vec[n].bv_page;
		if (!ret)
			ret = send_vec(sock, vec, count, has_more(send, next), &send->bytes);
		for (n = 0; n < count; n++)
			put_page(pages[n]);
		if (!ret)
			drover_stats_add(stats, DROVER_STAT_SENT_PAGES, count);
		cond_resched();
	} while (!ret && next < send->count);
	return ret;
}

/**
 * drover_stream_send() - give pages to a connected TCP socket without copying them
 * @ram:	the RAM files
 * @stats:	counters to be raised
 * @send:	as user space gave it; out: @bytes
 *
 * Return: 0, -EINVAL, -EBADF, -ENOTSOCK, -EOPNOTSUPP (no TCP), -ENOTCONN, -EIO (a page could not
 * be read), or how the stream broke. @send->bytes is what the socket took.
 */
int drover_stream_send(const struct drover_ram *ram, struct drover_stats *stats,
		       struct drover_send *send)
{
	struct socket *sock;
	unsigned int word;
	int ret;

	send->bytes = 0;
	if (!range_is_valid(ram, send->first, send->count))
		return -EINVAL;
	for (word = 0; word < ARRAY_SIZE(send->data); word++)
		if (send->data[word] & ~word_mask(send->count, word))
			return -EINVAL;
	sock = get_socket(send->socket_fd);
	if (IS_ERR(sock))
		return PTR_ERR(sock);
	ret = send_pages(ram, stats, sock, send);
	drover_stats_add(stats, DROVER_STAT_SENT_BYTES, send->bytes);
	sockfd_put(sock);
	return ret;
}
