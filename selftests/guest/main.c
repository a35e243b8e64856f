// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest that checks itself: this is its init, and all that runs in it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "beat.h"
#include "clock.h"
#include "control.h"
#include "cpu.h"
#include "disk.h"
#include "echo.h"
#include "load.h"
#include "memory.h"
#include "modules.h"
#include "net.h"
#include "options.h"
#include "pool.h"
#include "power.h"
#include "report.h"
#include "stream.h"

static void mounts(void)
{
	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
}

/* The kernel found no /dev/console for init's first descriptors. */
static void console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

int main(void)
{
	struct options opt;

	mounts();
	console();
	options_read(&opt);
	modules_load();
	power_start(opt.presses);
	net_start(&opt);
	disk_start(&opt);
	memory_start(&opt);
	pool_start(&opt);
	load_start();
	cpu_start(opt.cpu);
	clock_start(&opt);
	echo_start(&opt);
	control_start(&opt);
	stream_start(&opt);
	beat_start(&opt);
	report_run(&opt);
}
