// SPDX-License-Identifier: GPL-2.0-or-later
/* Ends the guest: by the power button, or because it was told to. */
#include "power.h"

#include <fcntl.h>
#include <linux/input.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "net.h"
#include "task.h"

#define EVENT_MAX 32

static unsigned long presses_left;

static void *power_off(void *arg)
{
	task_sleep(200000000);
	printf("DROVER-GUEST POWEROFF\n");
	sync();
	net_stop();
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return arg;
}

static void *watch(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct input_event event;

	while (read(fd, &event, sizeof(event)) == sizeof(event))
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1 &&
		    __atomic_sub_fetch(&presses_left, 1, __ATOMIC_RELAXED) == 0)
			power_off(NULL);
	close(fd);
	return NULL;
}

static bool has_power_key(int fd)
{
	unsigned char keys[KEY_MAX / 8 + 1] = {0};

	return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
	       (keys[KEY_POWER / 8] & (1 << (KEY_POWER % 8)));
}

void power_start(unsigned long presses)
{
	char path[32];
	int fd;

	presses_left = presses;
	for (int i = 0; i < EVENT_MAX; i++) {
		snprintf(path, sizeof(path), "/dev/input/event%d", i);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (!has_power_key(fd) ||
		    !task_start("power", TASK_SERVICE, watch, (void *)(intptr_t)fd))
			close(fd);
	}
}

void power_off_soon(void)
{
	task_start("poweroff", TASK_LOAD, power_off, NULL);
}
