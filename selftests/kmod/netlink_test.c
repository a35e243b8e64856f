// SPDX-License-Identifier: GPL-2.0-only
/* The netlink family: what it tells of sessions, and the mailbox. */
#include <grp.h>
#include <sched.h>

#include "client.h"
#include "netlink.h"

static struct family family;
static struct message m;

/* A socket that knows the family. */
static int open_socket(void)
{
	int fd = nl_open();

	family = nl_family(fd);
	return fd;
}

static int open_agent(void)
{
	int fd = open_socket();

	nl_begin(&m, family.id, DROVER_CMD_AGENT_REGISTER, 0);
	NEED(!nl_call(fd, &m), "%s", sentence);
	return fd;
}

static void follow_events(int fd)
{
	NEED(!setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.events,
			 sizeof(family.events)));
}

static int call_payload(int fd, uint8_t command, uint64_t id, const void *payload, size_t len)
{
	nl_begin(&m, family.id, command, 0);
	if (id)
		nl_put(&m, DROVER_A_REQUEST_ID, &id, sizeof(id));
	if (payload)
		nl_put(&m, DROVER_A_PAYLOAD, payload, len);
	return nl_call(fd, &m);
}

/* The next message is @command with @payload. Returns its REQUEST_ID. */
static uint64_t expect_payload(int fd, uint8_t command, const void *payload, size_t len)
{
	const struct nlattr *attr;

	NEED(nl_receive(fd, &m, 5000));
	NEED(m.header.nlmsg_type == family.id && nl_command(&m) == command, "type %u command %u",
	     m.header.nlmsg_type, nl_command(&m));
	attr = nl_attr(&m, DROVER_A_PAYLOAD);
	NEED(attr && attr->nla_len == NLA_HDRLEN + len && !memcmp(nl_data(attr), payload, len));
	attr = nl_attr(&m, DROVER_A_REQUEST_ID);
	return attr ? nl_u64(attr) : 0;
}

static void expect_error_reply(int fd, int ms, const char *words)
{
	const struct nlattr *error;

	NEED(nl_receive(fd, &m, ms));
	NEED(m.header.nlmsg_type == family.id && nl_command(&m) == DROVER_CMD_CTL_REPLY);
	CHECK(!nl_attr(&m, DROVER_A_PAYLOAD) && !nl_attr(&m, DROVER_A_MORE));
	error = nl_attr(&m, DROVER_A_ERROR);
	NEED(error);
	CHECK(!strcmp(nl_data(error), words), "%s", (const char *)nl_data(error));
}

TEST(request_and_answer)
{
	int agent, operator;
	unsigned int seq;
	uint64_t id, same;

	agent = open_agent();
	operator = open_socket();
	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5), "%s", sentence);
	seq = last_seq;
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, "hello", 5);
	CHECK(id);

	nl_begin(&m, family.id, DROVER_CMD_CTL_REPLY, 0);
	nl_put(&m, DROVER_A_REQUEST_ID, &id, sizeof(id));
	nl_put(&m, DROVER_A_PAYLOAD, "one", 3);
	nl_put(&m, DROVER_A_MORE, NULL, 0);
	NEED(!nl_call(agent, &m), "%s", sentence);
	same = expect_payload(operator, DROVER_CMD_CTL_REPLY, "one", 3);
	CHECK(same == id && nl_attr(&m, DROVER_A_MORE) && m.header.nlmsg_seq == seq);

	NEED(!call_payload(agent, DROVER_CMD_CTL_REPLY, id, "two", 3), "%s", sentence);
	expect_payload(operator, DROVER_CMD_CTL_REPLY, "two", 3);
	CHECK(!nl_attr(&m, DROVER_A_MORE) && m.header.nlmsg_seq == seq);

	CHECK(call_payload(agent, DROVER_CMD_CTL_REPLY, id, "three", 5) == -ENOENT);
	CHECK(!strcmp(sentence, "nobody waits for this answer any more"), "%s", sentence);
	CHECK(!nl_receive(operator, &m, 100));
}

TEST(answers_find_their_way)
{
	int agent, operators[8], n;
	uint64_t ids[8];
	char text[8];

	agent = open_agent();
	for (n = 0; n < 8; n++) {
		operators[n] = open_socket();
		snprintf(text, sizeof(text), "q%d", n);
		NEED(!call_payload(operators[n], DROVER_CMD_CTL_REQUEST, 0, text, 2));
	}
	for (n = 0; n < 8; n++) {
		snprintf(text, sizeof(text), "q%d", n);
		ids[n] = expect_payload(agent, DROVER_CMD_CTL_REQUEST, text, 2);
	}
	for (n = 7; n >= 0; n--) {
		snprintf(text, sizeof(text), "a%d", n);
		NEED(!call_payload(agent, DROVER_CMD_CTL_REPLY, ids[n], text, 2));
	}
	for (n = 0; n < 8; n++) {
		snprintf(text, sizeof(text), "a%d", n);
		expect_payload(operators[n], DROVER_CMD_CTL_REPLY, text, 2);
	}
}

TEST(no_agent)
{
	int operator = open_socket();

	CHECK(call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5) == -ECONNREFUSED);
	CHECK(!strcmp(sentence, "no agent is running on this host"), "%s", sentence);
}

TEST(one_agent)
{
	int agent = open_agent(), other = open_socket();

	nl_begin(&m, family.id, DROVER_CMD_AGENT_REGISTER, 0);
	CHECK(nl_call(other, &m) == -EBUSY);
	CHECK(!strcmp(sentence, "this host has an agent already"), "%s", sentence);
	close(agent);
	nl_begin(&m, family.id, DROVER_CMD_AGENT_REGISTER, 0);
	CHECK(!nl_call(other, &m));
}

TEST(agent_goes_away)
{
	int agent = open_agent(), operator = open_socket();

	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5));
	expect_payload(agent, DROVER_CMD_CTL_REQUEST, "hello", 5);
	close(agent);
	expect_error_reply(operator, 1000, "the agent went away");
	CHECK(call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5) == -ECONNREFUSED);
}

TEST(operator_goes_away)
{
	int agent = open_agent(), operator = open_socket();
	uint64_t id;

	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5));
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, "hello", 5);
	close(operator);
	CHECK(call_payload(agent, DROVER_CMD_CTL_REPLY, id, "x", 1) == -ENOENT);
	operator = open_socket();
	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "again", 5));
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, "again", 5);
	NEED(!call_payload(agent, DROVER_CMD_CTL_REPLY, id, "x", 1));
	expect_payload(operator, DROVER_CMD_CTL_REPLY, "x", 1);
}

TEST(agent_does_not_answer)
{
	int agent = open_agent(), operator = open_socket();
	uint64_t id;

	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5));
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, "hello", 5);
	CHECK(!nl_receive(operator, &m, DROVER_CTL_TIMEOUT_MS - 2000));
	expect_error_reply(operator, 5000, "the agent did not answer in time");
	CHECK(call_payload(agent, DROVER_CMD_CTL_REPLY, id, "x", 1) == -ENOENT);
}

TEST(only_the_agent_may)
{
	int agent = open_agent(), operator = open_socket();
	uint64_t id;

	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5));
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, "hello", 5);
	CHECK(call_payload(operator, DROVER_CMD_CTL_REPLY, id, "x", 1) == -EPERM);
	CHECK(!strcmp(sentence, "only the registered agent may answer"), "%s", sentence);
	CHECK(call_payload(operator, DROVER_CMD_CTL_EVENT, 0, "x", 1) == -EPERM);
	CHECK(!strcmp(sentence, "only the registered agent may publish events"), "%s", sentence);
}

TEST(sizes)
{
	static char big[DROVER_CTL_PAYLOAD_MAX + 1];
	int agent = open_agent(), operator = open_socket();
	uint64_t id;

	memset(big, 'x', sizeof(big));
	NEED(!call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, big, DROVER_CTL_PAYLOAD_MAX));
	id = expect_payload(agent, DROVER_CMD_CTL_REQUEST, big, DROVER_CTL_PAYLOAD_MAX);
	NEED(!call_payload(agent, DROVER_CMD_CTL_REPLY, id, big, DROVER_CTL_PAYLOAD_MAX));
	expect_payload(operator, DROVER_CMD_CTL_REPLY, big, DROVER_CTL_PAYLOAD_MAX);
	CHECK(call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, big, sizeof(big)) == -ERANGE);
	CHECK(call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, NULL, 0) == -EINVAL);
	CHECK(!strcmp(sentence, "PAYLOAD is missing"), "%s", sentence);
	CHECK(call_payload(agent, DROVER_CMD_CTL_REPLY, 0, "x", 1) == -EINVAL);
	CHECK(!strcmp(sentence, "REQUEST_ID is missing"), "%s", sentence);
	CHECK(call_payload(agent, DROVER_CMD_CTL_EVENT, 0, NULL, 0) == -EINVAL);
	CHECK(call_payload(operator, 200, 0, NULL, 0) == -EOPNOTSUPP);
}

/* A flood is refused, and what was taken before it is answered. */
TEST(too_many_requests)
{
	int agent = open_agent(), operator = open_socket(), sent = 0, ret;

	do {
		ret = call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "x", 1);
		sent += !ret;
	} while (!ret && sent < 1000);
	CHECK(ret == -EBUSY && sent == 128, "%d after %d", ret, sent);
	CHECK(!strcmp(sentence, "too many requests are waiting for the agent"), "%s", sentence);
	close(agent);
	for (; sent; sent--)
		expect_error_reply(operator, 1000, "the agent went away");
}

TEST(events_of_the_agent)
{
	int agent = open_agent(), follower = open_socket();

	CHECK(!call_payload(agent, DROVER_CMD_CTL_EVENT, 0, "nobody", 6), "%s", sentence);
	follow_events(follower);
	CHECK(!call_payload(agent, DROVER_CMD_CTL_EVENT, 0, "news", 4), "%s", sentence);
	expect_payload(follower, DROVER_CMD_CTL_EVENT, "news", 4);
}

static void expect_state(int fd, uint64_t *id, enum drover_session_state state)
{
	const struct nlattr *nest;

	NEED(nl_receive(fd, &m, 5000));
	NEED(m.header.nlmsg_type == family.id && nl_command(&m) == DROVER_CMD_SESSION_EVENT);
	nest = nl_attr(&m, DROVER_A_SESSION);
	CHECK(nl_u32(nl_nested(nest, DROVER_A_SESSION_STATE)) == state, "%u is not %u",
	      nl_u32(nl_nested(nest, DROVER_A_SESSION_STATE)), state);
	if (*id)
		CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_ID)) == *id);
	*id = nl_u64(nl_nested(nest, DROVER_A_SESSION_ID));
}

TEST(events_of_sessions)
{
	int follower = open_socket(), session;
	uint64_t id = 0;
	struct vm vm;

	vm_create(&vm);
	follow_events(follower);
	session = session_create(&vm, 0);
	NEED(session_start(session) == 4);
	NEED(!ioctl(session, DROVER_IOC_STOP));
	close(session);
	expect_state(follower, &id, DROVER_SESSION_STATE_CREATED);
	expect_state(follower, &id, DROVER_SESSION_STATE_STARTED);
	expect_state(follower, &id, DROVER_SESSION_STATE_STOPPED);
	expect_state(follower, &id, DROVER_SESSION_STATE_CLOSED);
}

TEST(death_is_an_event)
{
	int follower = open_socket(), to_child[2], pair[2];
	uint64_t id = 0;
	char c;

	follow_events(follower);
	NEED(!pipe(to_child) && !pipe(pair));
	/* a grandchild keeps the session when its VM's process is gone */
	if (!fork()) {
		struct vm vm;
		int session;

		vm_create(&vm);
		session = session_create(&vm, 0);
		NEED(session_start(session) == 4);
		if (!fork()) {
			close(vm.fd);
			close(to_child[1]);
			c = read(to_child[0], &c, 1);
			_exit(0);
		}
		_exit(0);
	}
	expect_state(follower, &id, DROVER_SESSION_STATE_CREATED);
	expect_state(follower, &id, DROVER_SESSION_STATE_STARTED);
	expect_state(follower, &id, DROVER_SESSION_STATE_DEAD);
	close(to_child[1]);
	expect_state(follower, &id, DROVER_SESSION_STATE_CLOSED);
}

static int get_session(int fd, uint64_t id)
{
	struct nlattr *nest;

	nl_begin(&m, family.id, DROVER_CMD_SESSION_GET, 0);
	nest = nl_put(&m, DROVER_A_SESSION | NLA_F_NESTED, NULL, 0);
	nl_put(&m, DROVER_A_SESSION_ID, &id, sizeof(id));
	nest->nla_len += NLA_HDRLEN + sizeof(id);
	nl_send(fd, &m);
	NEED(nl_receive(fd, &m, 5000));
	return m.header.nlmsg_type == NLMSG_ERROR ? nl_error(&m) : 0;
}

TEST(session_get)
{
	struct drover_harvest harvest;
	const struct nlattr *nest;
	int fd = open_socket(), follower = open_socket(), session;
	struct pages pages;
	uint64_t id = 0;
	struct vm vm;

	vm_create(&vm);
	follow_events(follower);
	session = session_create(&vm, 0);
	expect_state(follower, &id, DROVER_SESSION_STATE_CREATED);
	NEED(session_start(session) == 4 && !session_harvest(session, &harvest));
	session_take_all(session, &pages);
	NEED(!get_session(fd, id), "%s", sentence);
	nest = nl_attr(&m, DROVER_A_SESSION);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_ID)) == id);
	CHECK(!strcmp(nl_data(nl_nested(nest, DROVER_A_SESSION_NAME)), "test"));
	CHECK(nl_u32(nl_nested(nest, DROVER_A_SESSION_STATE)) == DROVER_SESSION_STATE_STARTED);
	CHECK(nl_u32(nl_nested(nest, DROVER_A_SESSION_PID)) == (uint32_t)getpid());
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_RAM_PAGES)) == VM_PAGES);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_HARVESTS)) == 1);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_LOG_PAGES)) == VM_PAGES);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_VMM_PAGES)) == 0);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_ZERO_PAGES)) == VM_PAGES - 1);
	CHECK(nl_u64(nl_nested(nest, DROVER_A_SESSION_SENT_BYTES)) == 0);
	CHECK(get_session(fd, id + 1000) == -ENOENT);
	CHECK(!strcmp(sentence, "there is no such session"), "%s", sentence);
	nl_begin(&m, family.id, DROVER_CMD_SESSION_GET, 0);
	CHECK(nl_call(fd, &m) == -EINVAL);
	CHECK(!strcmp(sentence, "SESSION with SESSION_ID is missing"), "%s", sentence);
}

/* More sessions than one message of a dump holds. */
TEST(session_dump)
{
	enum { MANY = 100 };
	uint64_t last = 0;
	int fd = open_socket(), seen = 0, n;
	struct vm vm;

	for (n = 0; n < MANY; n++) {
		vm_create(&vm);
		NEED(session_create(&vm, 0) >= 0, "%s", reason);
	}
	nl_begin(&m, family.id, DROVER_CMD_SESSION_GET, NLM_F_DUMP);
	nl_send(fd, &m);
	for (;;) {
		ssize_t len = recv(fd, &m, sizeof(m), 0);
		struct nlmsghdr *header = &m.header;

		for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
			size_t skip = NLMSG_HDRLEN + GENL_HDRLEN;
			const struct nlattr *nest;
			uint64_t id;

			if (header->nlmsg_type == NLMSG_DONE)
				goto done;
			NEED(header->nlmsg_type == family.id);
			nest = find_attr((char *)header + skip, header->nlmsg_len - skip,
					 DROVER_A_SESSION);
			id = nl_u64(nl_nested(nest, DROVER_A_SESSION_ID));
			CHECK(id > last);
			last = id;
			seen++;
		}
	}
done:
	CHECK(seen == MANY, "%d", seen);
}

TEST(no_capability)
{
	int follower, operator = open_socket();

	NEED(!setgroups(0, NULL) && !setgid(65534) && !setuid(65534));
	operator = open_socket();
	CHECK(call_payload(operator, DROVER_CMD_CTL_REQUEST, 0, "hello", 5) == -EPERM);
	nl_begin(&m, family.id, DROVER_CMD_AGENT_REGISTER, 0);
	CHECK(nl_call(operator, &m) == -EPERM);
	nl_begin(&m, family.id, DROVER_CMD_SESSION_GET, NLM_F_DUMP);
	CHECK(nl_call(operator, &m) == -EPERM);
	follower = open_socket();
	CHECK_ERROR(setsockopt(follower, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.events,
			       sizeof(family.events)), EPERM);
}

/* Root of a container is not root here, and sees no such family. */
TEST(other_namespaces)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		SKIP("no network namespaces here");
	fd = nl_open();
	nl_begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	nl_put(&m, CTRL_ATTR_FAMILY_NAME, DROVER_GENL_NAME, sizeof(DROVER_GENL_NAME));
	nl_send(fd, &m);
	NEED(nl_receive(fd, &m, 5000));
	CHECK(nl_error(&m) == -ENOENT);
}

TEST_MAIN
