// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What it costs to watch a host's load: so many made-up VMs, processes with threads that are
 * named as QEMU names its virtual processors, looked at as droverd does. Prints processor time
 * of a look, and its share of a core with a look each five seconds.
 *   telemetry [VMS [VCPUS]]
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stat/hostload.h"
#include "stat/vmload.h"

#define LOOKS	   200
#define INTERVAL_S 5.0
#define VMS_MAX	   1000

static struct drover_vm_watched vms[VMS_MAX];
static struct drover_vm_counters last[VMS_MAX];

static void *be_vcpu(void *data)
{
	char name[16];

	snprintf(name, sizeof(name), "CPU %ld/KVM", (long)data);
	prctl(PR_SET_NAME, name);
	for (;;)
		pause();
	return NULL;
}

static pid_t start_vm(long vcpus)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (long i = 1; i < vcpus; i++)
		pthread_create(&thread, NULL, be_vcpu, (void *)i);
	be_vcpu(NULL);
	_exit(0);
}

static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int look(struct drover_host_counters *host, long count)
{
	struct drover_host_load load;
	struct drover_vm_load vm;
	struct drover_err err = { 0 };
	int r = drover_host_load_read("", host, &load, &err);

	for (long i = 0; r == 0 && i < count; i++)
		r = drover_vm_load_read("", &vms[i], &last[i], &vm, &err);
	if (r < 0)
		fprintf(stderr, "telemetry: %s\n", err.text);
	return r;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 50, vcpus = argc > 2 ? atol(argv[2]) : 4;
	struct drover_host_counters host = { 0 };
	double begun;
	int r = 0;

	if (count < 1 || count > VMS_MAX || vcpus < 1)
		return 2;
	for (long i = 0; i < count; i++) {
		vms[i].pid = start_vm(vcpus);
		vms[i].ram_fd = memfd_create("ram", MFD_CLOEXEC);
		snprintf(vms[i].name, sizeof(vms[i].name), "vm%ld", i);
	}
	sleep(1);
	r = look(&host, count);
	begun = cpu_s();
	for (int i = 0; r == 0 && i < LOOKS; i++)
		r = look(&host, count);
	if (r == 0)
		printf("{\"vms\": %ld, \"vcpus_each\": %ld, \"look_ms\": %.3f, \"share_of_core_percent\": %.4f}\n",
		       count, vcpus, (cpu_s() - begun) / LOOKS * 1000,
		       (cpu_s() - begun) / LOOKS / INTERVAL_S * 100);
	for (long i = 0; i < count; i++) {
		kill(vms[i].pid, SIGKILL);
		waitpid(vms[i].pid, NULL, 0);
	}
	return r < 0;
}
