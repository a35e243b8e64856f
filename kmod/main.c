// SPDX-License-Identifier: GPL-2.0-only
/* The parts of the module, in the order in which they come up. */
#include <linux/kernel.h>
#include <linux/module.h>

#include "debugfs.h"
#include "lru.h"
#include "netlink.h"
#include "sessfd.h"
#include "vmref.h"

static const struct part {
	const char *name;
	int (*init)(void);
	void (*exit)(void);
} parts[] = {
	{ "lru", drover_lru_init, drover_lru_exit },
	{ "vmref", drover_vmref_setup, drover_vmref_teardown },
	{ "debugfs", drover_debugfs_init, drover_debugfs_exit },
	{ "netlink", drover_netlink_init, drover_netlink_exit },
	{ "sessfd", drover_sessfd_init, drover_sessfd_exit },
};

static void unwind(unsigned int n)
{
	while (n)
		parts[--n].exit();
}

static int __init drover_init(void)
{
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(parts); n++) {
		int ret = parts[n].init();

		if (ret) {
			pr_err("drover: %s did not come up: %d\n", parts[n].name, ret);
			unwind(n);
			return ret;
		}
	}
	return 0;
}

static void __exit drover_exit(void)
{
	unwind(ARRAY_SIZE(parts));
}

module_init(drover_init);
module_exit(drover_exit);

MODULE_DESCRIPTION("Live migration of KVM guests: dirty pages and page streams");
MODULE_LICENSE("GPL");
