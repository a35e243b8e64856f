/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small test harness. TEST(name) { … } registers itself; each test runs in a
 * process of its own, so that no test can leave anything behind for the next.
 * Output is TAP. CHECK() notes a failure and goes on, NEED() gives the test up,
 * SKIP() says loudly what is missing.
 */
#ifndef DROVER_TEST_HARNESS_H
#define DROVER_TEST_HARNESS_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_TIMEOUT 120
#define EXIT_SKIP 4

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *tests, **tests_end = &tests;
static int failures;

static inline void test_register(struct test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

#define TEST(id)                                                                                   \
	static void test_##id(void);                                                               \
	static struct test entry_##id = { #id, test_##id, NULL };                                  \
	__attribute__((constructor)) static void register_##id(void)                               \
	{                                                                                          \
		test_register(&entry_##id);                                                        \
	}                                                                                          \
	static void test_##id(void)

__attribute__((format(printf, 1, 2))) static inline void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

#define CHECK(cond, ...)                                                                           \
	({                                                                                         \
		int ok_ = !!(cond);                                                                \
		if (!ok_) {                                                                        \
			int errno_ = errno;                                                        \
			note("%s:%d: %s failed (errno: %s)", __FILE__, __LINE__, #cond,            \
			     strerror(errno_));                                                    \
			note("\t" __VA_ARGS__);                                                    \
			failures++;                                                                \
		}                                                                                  \
		ok_;                                                                               \
	})

#define NEED(cond, ...)                                                                            \
	do {                                                                                       \
		if (!CHECK(cond, ##__VA_ARGS__))                                                   \
			exit(1);                                                                   \
	} while (0)

/* @call fails, with @error. */
#define CHECK_ERROR(call, error)                                                                   \
	({                                                                                         \
		long ret_ = (call);                                                                \
		int errno_ = errno;                                                                \
		if (ret_ != -1 || errno_ != (error)) {                                             \
			note("%s:%d: %s gave %ld, errno %s, not %s", __FILE__, __LINE__, #call,    \
			     ret_, strerror(errno_), #error);                                      \
			failures++;                                                                \
		}                                                                                  \
	})

#define SKIP(...)                                                                                  \
	do {                                                                                       \
		note(__VA_ARGS__);                                                                 \
		fflush(stdout);                                                                    \
		_exit(EXIT_SKIP);                                                                  \
	} while (0)

static inline int run_test(const struct test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(TEST_TIMEOUT);
		test->run();
		fflush(stdout);
		_exit(failures ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) < 0)
		return 1;
	if (WIFSIGNALED(status))
		note("ended by signal %d", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Runs all tests, or those whose name begins with the argument. */
static inline int run_tests(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	int number = 0, failed = 0, count = 0;
	struct test *test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (test = tests; test; test = test->next)
		count += !strncmp(test->name, only, strlen(only));
	printf("TAP version 13\n1..%d\n", count);
	for (test = tests; test; test = test->next) {
		int status;

		if (strncmp(test->name, only, strlen(only)))
			continue;
		status = run_test(test);
		printf("%sok %d %s%s\n", status && status != EXIT_SKIP ? "not " : "", ++number,
		       test->name, status == EXIT_SKIP ? " # SKIP" : "");
		failed += status && status != EXIT_SKIP;
	}
	return failed ? 1 : 0;
}

#define TEST_MAIN                                                                                  \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return run_tests(argc, argv);                                                      \
	}

#endif /* DROVER_TEST_HARNESS_H */
