// SPDX-License-Identifier: GPL-2.0-or-later
/* Windows, and the load of hosts and VMs read from made-up /proc and /sys trees. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "stat/hostload.h"
#include "stat/vmload.h"
#include "stat/window.h"

static char root[64];

static int setup(void **state)
{
	strcpy(root, "/tmp/drover-load-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	*strrchr(path, '/') = '\0';
	assert_int_equal(drover_io_mkdirs(path, 0755, NULL), 0);
	path[strlen(path)] = '/';
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void window_of_a_few(void **state)
{
	struct drover_window w = { 0 };

	assert_true(drover_window_last(&w) == 0 && drover_window_percentile(&w, 5, 50) == 0);
	for (int i = 1; i <= 10; i++)
		assert_true(drover_window_add(&w, i));
	assert_true(drover_window_last(&w) == 10);
	assert_true(drover_window_mean(&w, 4) == 8.5);
	assert_true(drover_window_mean(&w, 99) == 5.5);
	assert_true(drover_window_percentile(&w, 10, 50) == 5);
	assert_true(drover_window_percentile(&w, 10, 90) == 9);
	assert_true(drover_window_percentile(&w, 10, 100) == 10);
	assert_true(drover_window_percentile(&w, 10, 0) == 1);
	assert_true(drover_window_percentile(&w, 3, 50) == 9);
}

static void window_takes_no_nonsense(void **state)
{
	struct drover_window w = { 0 };

	assert_false(drover_window_add(&w, NAN));
	assert_false(drover_window_add(&w, INFINITY));
	assert_false(drover_window_add(&w, -0.1));
	assert_int_equal(w.count, 0);
}

static void window_forgets_the_oldest(void **state)
{
	struct drover_window w = { 0 };

	for (int i = 0; i < DROVER_WINDOW_LEN + 7; i++)
		drover_window_add(&w, i);
	assert_int_equal(w.count, DROVER_WINDOW_LEN);
	assert_true(drover_window_percentile(&w, DROVER_WINDOW_LEN, 0) == 7);
}

static void put_host(int busy, int steal, int swap)
{
	char text[256];
	double tick = sysconf(_SC_CLK_TCK);

	snprintf(text, sizeof(text), "cpu %.0f 0 0 50 7 0 0 %.0f 33 0\ncpu0 1 2 3\n", busy * tick,
		 steal * tick);
	put("/proc/stat", text);
	snprintf(text, sizeof(text), "pswpin %d\npswpout %d\n", swap, swap);
	put("/proc/vmstat", text);
	put("/proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   400 kB\n");
	put("/proc/pressure/cpu", "some avg10=12.50 avg60=1.0 avg300=1.0 total=1\n");
}

/* A look whose time lies two seconds after that of the last one. */
static int look(struct drover_host_counters *c, struct drover_host_load *load)
{
	struct drover_err err = { 0 };

	if (c->time_us)
		c->time_us -= 2000000;
	return drover_host_load_read(root, c, load, &err);
}

static void host_rates_come_from_two_looks(void **state)
{
	struct drover_host_counters c = { 0 };
	struct drover_host_load load;

	put_host(100, 10, 5);
	put("/sys/class/net/eth0/device/x", "");
	put("/sys/class/net/eth0/statistics/rx_bytes", "1000\n");
	put("/sys/class/net/eth0/statistics/tx_bytes", "0\n");
	put("/sys/class/net/br0/statistics/rx_bytes", "99999\n");
	assert_int_equal(look(&c, &load), 0);
	assert_true(load.cpu_used == 0 && load.net_rx == 0);
	assert_true(load.cpu_pressure == 0.125 && load.io_pressure == 0);
	assert_int_equal(load.memory_used, 600 * 1024);
	put_host(103, 11, 7);
	put("/sys/class/net/eth0/statistics/rx_bytes", "3000\n");
	assert_int_equal(look(&c, &load), 0);
	assert_float_equal(load.cpu_used, 1.5, 0.05);
	assert_float_equal(load.cpu_steal, 0.5, 0.02);
	assert_float_equal(load.net_rx, 1000, 20);
	assert_float_equal(load.swap_rate, 2 * sysconf(_SC_PAGESIZE), 200);
	assert_true(load.watts < 0 && !load.power_source[0]);
}

static void host_power_from_the_best_source(void **state)
{
	struct drover_host_counters c = { 0 };
	struct drover_host_load load;

	put_host(1, 0, 0);
	put("/sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n");
	put("/sys/class/powercap/intel-rapl:1/energy_uj", "2000000\n");
	put("/sys/class/powercap/intel-rapl:0:0/energy_uj", "7000000\n");
	assert_int_equal(look(&c, &load), 0);
	assert_true(load.watts < 0);
	put("/sys/class/powercap/intel-rapl:0/energy_uj", "41000000\n");
	assert_int_equal(look(&c, &load), 0);
	assert_float_equal(load.watts, 20, 0.5);
	assert_string_equal(load.power_source, "rapl");
	/* A counter that ran over. */
	put("/sys/class/powercap/intel-rapl:0/energy_uj", "5\n");
	assert_int_equal(look(&c, &load), 0);
	assert_true(load.watts < 0);
	put("/sys/class/hwmon/hwmon0/power1_average", "150000000\n");
	assert_int_equal(look(&c, &load), 0);
	assert_float_equal(load.watts, 150, 0.001);
	assert_string_equal(load.power_source, "hwmon");
}

static void host_damage_is_told(void **state)
{
	struct drover_host_counters c = { 0 };
	struct drover_host_load load;

	put_host(1, 0, 0);
	put("/proc/stat", "cpu of some sort\n");
	assert_int_equal(look(&c, &load), -EBADMSG);
	put_host(1, 0, 0);
	put("/proc/meminfo", "MemTotal: 10 kB\nMemAvailable: 20 kB\n");
	assert_int_equal(look(&c, &load), -EBADMSG);
}

static void put_vm(int ticks, long waited, long bytes)
{
	char text[256];

	snprintf(text, sizeof(text), "42 (a ) b) S 1 42 42 0 -1 4194560 1 0 0 0 %d %d 0 0 20 0 3\n",
		 ticks, ticks);
	put("/proc/42/stat", text);
	put("/proc/42/task/42/comm", "qemu-system-x86\n");
	put("/proc/42/task/43/comm", "CPU 0/KVM\n");
	put("/proc/42/task/44/comm", "CPU 1/KVM\n");
	put("/proc/42/task/42/schedstat", "1 999999999999 1\n");
	snprintf(text, sizeof(text), "77 %ld 5\n", waited);
	put("/proc/42/task/43/schedstat", text);
	put("/proc/42/task/44/schedstat", text);
	snprintf(text, sizeof(text), "rchar: 1\nwchar: 2\nread_bytes: %ld\nwrite_bytes: %ld\n", bytes,
		 2 * bytes);
	put("/proc/42/io", text);
	snprintf(text, sizeof(text), "%ld\n", bytes);
	put("/sys/class/net/dr0/statistics/rx_bytes", text);
	put("/sys/class/net/dr0/statistics/tx_bytes", "0\n");
}

static void vm_rates_come_from_two_looks(void **state)
{
	struct drover_vm_watched vm = { .pid = 42, .ram_fd = -1, .tap_count = 1, .tap = { "dr0" } };
	struct drover_vm_counters c = { 0 };
	struct drover_err err = { 0 };
	struct drover_vm_load load;
	int tick = sysconf(_SC_CLK_TCK);

	put_vm(tick, 1000000000, 1000);
	assert_int_equal(drover_vm_load_read(root, &vm, &c, &load, &err), 0);
	assert_int_equal(c.vcpu_count, 2);
	assert_true(load.cpu_used == 0 && load.cpu_ready == 0);
	assert_false(load.rated);
	put_vm(2 * tick, 1500000000, 5000);
	c.time_us -= 2000000;
	assert_int_equal(drover_vm_load_read(root, &vm, &c, &load, &err), 0);
	assert_true(load.rated);
	assert_float_equal(load.cpu_used, 1, 0.03);
	assert_float_equal(load.cpu_ready, 0.5, 0.02);
	assert_float_equal(load.net_tx, 2000, 50);
	assert_float_equal(load.disk_read, 2000, 50);
	assert_float_equal(load.disk_write, 4000, 100);
}

static void vm_that_is_another_or_gone(void **state)
{
	struct drover_vm_watched vm = { .pid = 42, .ram_fd = -1 };
	struct drover_vm_counters c = { .time_us = 1, .pid = 41, .cpu_s = 0 };
	struct drover_err err = { 0 };
	struct drover_vm_load load;

	put_vm(1000, 5, 5);
	assert_int_equal(drover_vm_load_read(root, &vm, &c, &load, &err), 0);
	assert_true(load.cpu_used == 0);
	assert_false(load.rated);
	vm.pid = 43;
	assert_int_equal(drover_vm_load_read(root, &vm, &c, &load, &err), -ESRCH);
}

static void vm_resident_is_what_its_file_takes(void **state)
{
	struct drover_vm_watched vm = { .pid = 42 };
	struct drover_vm_counters c = { 0 };
	struct drover_err err = { 0 };
	struct drover_vm_load load;
	char path[128];

	put_vm(1, 1, 1);
	snprintf(path, sizeof(path), "%s/ram", root);
	vm.ram_fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(vm.ram_fd, 1 << 20), 0);
	assert_int_equal(pwrite(vm.ram_fd, "x", 1, 65536), 1);
	fsync(vm.ram_fd);
	assert_int_equal(drover_vm_load_read(root, &vm, &c, &load, &err), 0);
	assert_true(load.resident >= 512 && load.resident < 1 << 20);
	close(vm.ram_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window_of_a_few),
		cmocka_unit_test(window_takes_no_nonsense),
		cmocka_unit_test(window_forgets_the_oldest),
		cmocka_unit_test_setup_teardown(host_rates_come_from_two_looks, setup, teardown),
		cmocka_unit_test_setup_teardown(host_power_from_the_best_source, setup, teardown),
		cmocka_unit_test_setup_teardown(host_damage_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(vm_rates_come_from_two_looks, setup, teardown),
		cmocka_unit_test_setup_teardown(vm_that_is_another_or_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(vm_resident_is_what_its_file_takes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
