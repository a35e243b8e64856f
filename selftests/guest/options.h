/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUEST_OPTIONS_H
#define GUEST_OPTIONS_H

#include <netinet/in.h>
#include <stdbool.h>

/* What the kernel's command line asks for; README.md explains each. */
struct options {
	char ip[32];		/* ADDR/LEN, or empty: no network */
	unsigned long mem;	/* MiB under the dirtier */
	unsigned long rate;	/* pages dirtied a second */
	unsigned long fill;	/* MiB written once */
	unsigned long cpu;	/* percent of a processor kept busy */
	unsigned long disk;	/* 1: write and read /dev/vda */
	unsigned long diskmib;	/* MiB of it in use */
	unsigned long diskrate; /* I/O a second; 0: each mode's own */
	unsigned long diskread; /* 1: read into many pages */
	unsigned long tcp;	/* echo port; control is the next */
	char beat[32];		/* ADDR:PORT, or empty: no heartbeat */
	char net[32];		/* ADDR:PORT, or empty: no bulk load */
	unsigned long netrate;	/* KiB a second of bulk load */
	unsigned long tick;	/* ms that the clock watcher sleeps */
	unsigned long report;	/* seconds between two lines on the console */
	unsigned long presses;	/* of the power button until it is noticed */
};

void options_read(struct options *opt);
bool options_address(const char *text, struct sockaddr_in *ret_addr);

#endif
