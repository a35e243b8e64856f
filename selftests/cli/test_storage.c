// SPDX-License-Identifier: GPL-2.0-or-later
/* What drover prints of disk moves and images, made by hand. */
#include "page.h"

#include "drover_tool.h"
#include "report_storage.h"

#define MIB (1ULL << 20)

static Drover__DiskMoveInfo a_move(Drover__DiskMoveState state)
{
	Drover__DiskMoveInfo m = DROVER__DISK_MOVE_INFO__INIT;

	m.id = 7;
	m.vm = "web1";
	m.disk = "root";
	m.state = state;
	m.old_path = "/srv/old/web1.img";
	m.new_path = "/srv/new/web1-root.qcow2";
	m.new_pool = "fast";
	m.todo_bytes = 1000 * MIB;
	m.done_bytes = 455 * MIB;
	m.rate_bytes = 12 * MIB;
	m.expected_us = 41000000;
	m.write_before_us = 900;
	m.write_now_us = 3100;
	m.total_us = 2500000;
	return m;
}

#define COPYING	  DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_COPYING
#define DONE	  DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_DONE
#define CANCELLED DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_CANCELLED
#define FAILED	  DROVER__DISK_MOVE_STATE__DISK_MOVE_STATE_FAILED

static void the_line_tells_what_the_guest_feels(void **state)
{
	Drover__DiskMoveInfo m = a_move(COPYING);
	char line[160];

	disk_move_line(&m, line, sizeof(line));
	assert_string_equal(line, "root copying: 45 %, 12.0 MiB/s, guest writes take 3.1 ms "
				  "(before: 0.9 ms), expected end in 41 s");
	m.write_before_us = 0;
	m.expected_us = 0;
	m.write_now_us = 250000;
	disk_move_line(&m, line, sizeof(line));
	assert_string_equal(line, "root copying: 45 %, 12.0 MiB/s, guest writes take 250 ms, "
				  "expected end in ?");
	m.write_now_us = 0;
	m.todo_bytes = 0;
	disk_move_line(&m, line, sizeof(line));
	assert_string_equal(line, "root copying: 0 %, 12.0 MiB/s, expected end in ?");
}

static void the_summary_tells_what_became_of_it(void **state)
{
	Drover__DiskMoveInfo m = a_move(DONE);
	struct page page;

	m.switch_us = 4200;
	m.verified_bytes = 1000 * MIB;
	disk_move_summary(begin(&page), &m);
	expect(&page, "disk move 7 of vm web1, disk root, from /srv/old/web1.img to "
		      "/srv/new/web1-root.qcow2: done\n"
		      "2.5 s in all, guest writes take 3.1 ms (before: 0.9 ms), requests held for "
		      "4.2 ms at the switch, 1000.0 MiB verified, 0 bytes differ, the old image is "
		      "left\n");
	m = a_move(FAILED);
	m.error = "no\033 space";
	m.write_now_us = 0;
	m.interruptions = 1;
	disk_move_summary(begin(&page), &m);
	expect(&page, "disk move 7 of vm web1, disk root, from /srv/old/web1.img to "
		      "/srv/new/web1-root.qcow2: failed: no? space\n"
		      "2.5 s in all, interrupted 1 times\n");
	m = a_move(COPYING);
	disk_move_summary(begin(&page), &m);
	expect(&page, "disk move 7 of vm web1, disk root, from /srv/old/web1.img to "
		      "/srv/new/web1-root.qcow2: copying\n"
		      "root copying: 45 %, 12.0 MiB/s, guest writes take 3.1 ms (before: 0.9 ms), "
		      "expected end in 41 s\n");
}

static void a_list_tells_which_image_is_true(void **state)
{
	Drover__ImageInfo new = DROVER__IMAGE_INFO__INIT, old = DROVER__IMAGE_INFO__INIT;
	Drover__ImageInfo *images[] = { &new, &old };
	Drover__DiskMoveInfo copying = a_move(COPYING), done = a_move(DONE);
	Drover__DiskMoveInfo *moves[] = { &copying, &done };
	Drover__ControlReply reply = DROVER__CONTROL_REPLY__INIT;
	struct page page;

	new.vm = old.vm = "web1";
	new.disk = old.disk = "root";
	new.path = "/srv/new/a";
	new.pool = "fast";
	new.format = "qcow2";
	new.size_bytes = old.size_bytes = 64 * MIB;
	new.is_true = true;
	old.path = "/old";
	old.format = "raw";
	old.note = "left";
	reply.images = images;
	reply.n_images = 2;
	report_storage(begin(&page), &reply);
	expect(&page,
	       "VM    DISK  TRUE  POOL  FORMAT      SIZE     USED  PATH        NOTE\n"
	       "web1  root  yes   fast  qcow2   64.0 MiB  0.0 KiB  /srv/new/a  -\n"
	       "web1  root  no    -     raw     64.0 MiB  0.0 KiB  /old        left\n");
	reply.n_images = 0;
	reply.disk_moves = moves;
	reply.n_disk_moves = 2;
	report_storage(begin(&page), &reply);
	expect(&page,
	       "VM  DISK  TRUE  POOL  FORMAT  SIZE  USED  PATH  NOTE\n\n"
	       "MOVE  VM    DISK  FROM               TO    STATE     %        RATE   END   TIME  WHY\n"
	       "   7  web1  root  /srv/old/web1.img  fast  copying  45  12.0 MiB/s  41 s  2.5 s  -\n"
	       "   7  web1  root  /srv/old/web1.img  fast  done     45           -     -  2.5 s  -\n");
}

static void the_exit_code_is_that_of_the_state(void **state)
{
	Drover__DiskMoveInfo m = a_move(DONE);

	assert_int_equal(disk_move_exit(&m), EXIT_DONE);
	m.state = CANCELLED;
	assert_int_equal(disk_move_exit(&m), EXIT_CANCELLED);
	assert_true(disk_move_ended(&m));
	m.state = FAILED;
	assert_int_equal(disk_move_exit(&m), EXIT_REFUSED);
	m.state = COPYING;
	assert_false(disk_move_ended(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_tells_what_the_guest_feels),
		cmocka_unit_test(the_summary_tells_what_became_of_it),
		cmocka_unit_test(a_list_tells_which_image_is_true),
		cmocka_unit_test(the_exit_code_is_that_of_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
