// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drover host power set: changes a file of drover-power(5) here, as droverd's unit may write
 * nothing in /etc. droverd looks at the new file before it takes the place of the old one, and
 * reads it whenever it needs it: no restart.
 */
#include <errno.h>
#include <signal.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "drover_tool.h"
#include "host_power.h"
#include "power_file.h"

#define DIRECTORY    "/etc/drover/power"
#define NEW	     DIRECTORY "/new"
#define TEXT_MAX     65536
#define PASSWORD_MAX 256
#define KEYS_MAX     14
#define PATH_SIZE    128

static const char usage[] =
	"drover host power set HOST ipmi|redfish|wol KEY=VALUE… [--password-file FILE] [--remove]";

/* --- words --- */

/* droverd judges, but a path is made of it before. */
static bool is_name(const char *host)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	size_t n = strlen(host);

	return n && n < 64 && strspn(host, letters) == n && *host != '.' && *host != '-';
}

static bool is_driver(const char *word)
{
	return !strcmp(word, "ipmi") || !strcmp(word, "redfish") || !strcmp(word, "wol");
}

static int take_key(const char *word, struct power_key *key)
{
	const char *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : 0;

	if (!n || n >= sizeof(key->key) || strspn(word, "abcdefghijklmnopqrstuvwxyz") != n)
		return tool_fail(EXIT_USAGE, "\"%.*s\" is not KEY=VALUE; usage: %s",
				 equals ? (int)n : 64, word, usage);
	memcpy(key->key, word, n);
	key->key[n] = '\0';
	key->value = equals + 1;
	if (!strcmp(key->key, "password"))
		return tool_fail(EXIT_USAGE,
				 "everybody can read the words of a command: put the password into "
				 "a file, or on standard input, and give --password-file FILE or -");
	if (!power_file_valid(key->value))
		return tool_fail(EXIT_USAGE,
				 "the value of %s has control characters, or blanks around it",
				 key->key);
	return EXIT_DONE;
}

/* --- the password --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* Ctrl-C ends the reading, so that the terminal shows again what is typed. */
static void catch_signals(void (*handler)(int number))
{
	/* Not SA_RESTART. */
	const struct sigaction action = {.sa_handler = handler};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static FILE *open_password(const char *path, struct termios *before, bool *ret_hidden)
{
	struct termios hidden;

	*ret_hidden = false;
	if (strcmp(path, "-"))
		return fopen(path, "re");
	if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, before) == 0) {
		hidden = *before;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		*ret_hidden = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
		fputs("password: ", stderr);
	}
	return stdin;
}

/* The first line. */
static int read_password(const char *path, char password[PASSWORD_MAX])
{
	struct termios before;
	bool hidden, ok;
	FILE *f = open_password(path, &before, &hidden);

	if (!f)
		return tool_fail(EXIT_REFUSED, "%s cannot be read: %s", path, strerror(errno));
	setvbuf(f, NULL, _IONBF, 0);
	if (hidden)
		catch_signals(on_signal);
	ok = fgets(password, PASSWORD_MAX, f);
	if (hidden) {
		catch_signals(SIG_DFL);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (f != stdin)
		fclose(f);
	if (interrupted)
		raise(interrupted);
	if (!ok)
		return tool_fail(EXIT_REFUSED, "there is no password in %s", path);
	if (strlen(password) == PASSWORD_MAX - 1)
		return tool_fail(EXIT_REFUSED, "the password is too long");
	password[strcspn(password, "\r\n")] = '\0';
	if (!*password || !power_file_valid(password))
		return tool_fail(EXIT_REFUSED,
				 "the password is empty, has control characters or blanks around it");
	return EXIT_DONE;
}

/* --- files --- */

static int read_old(const char *path, char *text)
{
	struct stat st;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	text[0] = '\0';
	if (fd < 0)
		return errno == ENOENT ? EXIT_DONE
				       : tool_fail(EXIT_REFUSED, "%s cannot be opened: %s", path,
						   strerror(errno));
	if (fstat(fd, &st) < 0 || (st.st_mode & 077)) {
		close(fd);
		return tool_fail(EXIT_REFUSED,
				 "%s was open to others than root: delete it, and take new passwords",
				 path);
	}
	n = read(fd, text, TEXT_MAX);
	close(fd);
	if (n < 0 || n == TEXT_MAX)
		return tool_fail(EXIT_REFUSED, "%s cannot be read: %s", path,
				 n < 0 ? strerror(errno) : "it is too large");
	text[n] = '\0';
	return EXIT_DONE;
}

static int make_directory(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return tool_fail(EXIT_REFUSED, "%s cannot be made: %s", path, strerror(errno));
	return EXIT_DONE;
}

static int save(const char *path, const char *text)
{
	size_t len = strlen(text);
	bool ok;
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return tool_fail(EXIT_REFUSED, "%s cannot be written: %s", path, strerror(errno));
	ok = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
	if (close(fd) < 0 || !ok)
		return tool_fail(EXIT_REFUSED, "%s cannot be written: %s", path, strerror(errno));
	return EXIT_DONE;
}

static int check(const char *host)
{
	Drover__HostPower verb = DROVER__HOST_POWER__INIT;
	Drover__ControlReply *reply;
	int r;

	verb.host = (char *)host;
	verb.action = DROVER__HOST_POWER__ACTION__CHECK;
	r = host_power_ask(&verb, &reply);
	if (r == 0)
		drover__control_reply__free_unpacked(reply, NULL);
	return r;
}

static int replace(const char *host, const char *path, const char *text)
{
	char new[PATH_SIZE];
	int r = make_directory(NEW), dir;

	snprintf(new, sizeof(new), NEW "/%s.conf", host);
	if (r == 0)
		r = save(new, text);
	if (r == 0)
		r = check(host);
	if (r == 0 && rename(new, path) < 0)
		r = tool_fail(EXIT_REFUSED, "%s cannot be written: %s", path, strerror(errno));
	if (r)
		unlink(new);
	dir = r == 0 ? open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0) {
		fsync(dir);
		close(dir);
	}
	return r;
}

/* @text: the new one, wiped and freed here */
static int put(const char *host, const char *path, char *text)
{
	int r;

	if (!text)
		return tool_fail(EXIT_REFUSED, "out of memory");
	if (power_file_is_empty(text))
		r = unlink(path) == 0 || errno == ENOENT
			    ? EXIT_DONE
			    : tool_fail(EXIT_REFUSED, "%s cannot be deleted: %s", path,
					strerror(errno));
	else
		r = replace(host, path, text);
	explicit_bzero(text, strlen(text));
	free(text);
	return r;
}

static int edit(const char *host, const char *driver, const struct power_key *keys, size_t count,
		bool remove)
{
	static char old[TEXT_MAX + 1];
	char path[PATH_SIZE];
	int r = make_directory(DIRECTORY);

	snprintf(path, sizeof(path), DIRECTORY "/%s.conf", host);
	if (r == 0)
		r = read_old(path, old);
	if (r == 0)
		r = put(host, path, remove ? power_file_remove(old, driver)
					   : power_file_set(old, driver, keys, count));
	explicit_bzero(old, sizeof(old));
	return r;
}

int host_power_set(int argc, char **argv)
{
	struct power_key keys[KEYS_MAX + 1] = { 0 };
	const char *words[KEYS_MAX + 2], *from = NULL;
	char password[PASSWORD_MAX] = "";
	bool remove = false;
	const struct tool_option options[] = {
		{ .name = "--password-file", .text = &from },
		{ .name = "--remove", .flag = &remove },
		{ 0 },
	};
	size_t n = 0;
	int r = tool_parse_some(argc, argv, options, words, 2, KEYS_MAX + 2, usage);

	if (r)
		return r;
	if (!is_name(words[0]))
		return tool_fail(EXIT_USAGE, "\"%s\" is no name of a host", words[0]);
	if (!is_driver(words[1]))
		return tool_fail(EXIT_USAGE, "ipmi, redfish or wol, not \"%s\"; usage: %s", words[1],
				 usage);
	for (; r == 0 && n < KEYS_MAX && words[n + 2]; n++)
		r = take_key(words[n + 2], &keys[n]);
	if (r)
		return r;
	if (remove == (n || from))
		return tool_fail(EXIT_USAGE, "either something to set, or --remove; usage: %s", usage);
	if (from && (r = read_password(from, password)) == 0) {
		strcpy(keys[n].key, "password");
		keys[n++].value = password;
	}
	if (r == 0)
		r = edit(words[0], words[1], keys, n, remove);
	explicit_bzero(password, sizeof(password));
	return r;
}
