// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel modules that came along in the initial ram disk. */
#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "count.h"

/* From linux/module.h, which some C libraries' headers still lack. */
#define COMPRESSED_FILE 4

static void load(const char *name)
{
	size_t length = strlen(name);
	int compressed = length > 3 && strcmp(name + length - 3, ".ko") ? COMPRESSED_FILE : 0;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/modules/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", compressed) && errno != EEXIST))
		fail(SETUP_ERRORS, "module %s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void modules_load(void)
{
	FILE *order = fopen("/modules/order", "re");
	char name[128];

	if (!order) {
		fail(SETUP_ERRORS, "no list of modules");
		return;
	}
	while (fgets(name, sizeof(name), order)) {
		name[strcspn(name, "\n")] = '\0';
		load(name);
	}
	fclose(order);
}
