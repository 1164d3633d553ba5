/* turnfs: the table of commands. */
#include "base/cleanup.h"
#include "base/name.h"
#include "cli.h"
#include "secret.h"
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{"mount", command_mount,
		"mount a store of conversations on a directory, or list the mounts"},
	{"umount", command_umount, "unmount it; returns when the store is closed"},
	{"status", command_status, "how a mount is: ok, degraded, failed or down, and why"},
	{"list", command_list, "list the threads: turns, last use, time left"},
	{"why", command_why, "what became of a thread, and how to have it back"},
	{"restore", command_restore, "bring an expired thread back, whole"},
	{"check", command_check, "verify all that a store has"},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

/* Whatever a sentence repeats may have been a URL in the wrong place. */
static void say(const char *prefix, const char *format, va_list values)
{
	CLEAN_FREE char *text = NULL;
	if (vasprintf(&text, format, values) < 0)
		text = NULL;
	if (text)
		secret_hide_words(text);
	fprintf(stderr, "turnfs: %s%s\n", prefix, text ? terminal_clean(text) : "out of memory");
}

int cli_fail(int status, const char *format, ...)
{
	va_list values;
	va_start(values, format);
	say("", format, values);
	va_end(values);
	return status;
}

void cli_warn(const char *format, ...)
{
	va_list values;
	va_start(values, format);
	say("warning: ", format, values);
	va_end(values);
}

bool cli_is_thread(const char *id)
{
	if (name_thread_check(id) == 0)
		return true;
	cli_fail(CLI_USAGE,
		"'%s' is not the name of a thread: give the name alone, without '/' and without "
		"'.' or '@' before it, and the mountpoint behind it",
		id);
	return false;
}

int cli_version(void)
{
	return puts("turnfs " TURNFS_VERSION) < 0 ? CLI_FAILED : CLI_DONE;
}

static int print_help(void)
{
	puts("usage: turnfs COMMAND …\n\nConversations as files: a thread is a directory, a turn "
	     "is a file in it.\n");
	for (int i = 0; i < COMMAND_COUNT; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	puts("\n`turnfs COMMAND --help` explains each. -V, --version prints the version.\n"
	     "Begin with: mkdir talks && turnfs mount talks && cat talks/.turnfs/README.md");
	return ferror(stdout) ? CLI_FAILED : CLI_DONE;
}

static bool is_one_of(const char *text, const char *letter, const char *word)
{
	return !strcmp(text, letter) || !strcmp(text, word);
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2)
		return cli_fail(CLI_USAGE, "say what to do: `turnfs --help` lists the commands");
	const char *name = argv[1];
	if (is_one_of(name, "-h", "--help"))
		return print_help();
	if (is_one_of(name, "-V", "--version"))
		return cli_version();
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return cli_fail(CLI_USAGE, "there is no command '%s': `turnfs --help` lists them", name);
}

/* mount(8) runs us as mount.turnfs STORE MOUNTPOINT -o OPTIONS. */
static bool is_mount_helper(const char *name)
{
	const char *slash = strrchr(name, '/');
	name = slash ? slash + 1 : name;
	return !strcmp(name, "mount.turnfs") || !strcmp(name, "mount.fuse.turnfs");
}

/* What we open must not become standard input, output or error: who began us may have closed them.
 */
static int standard_files_fill(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -errno : close(fd);
}

int main(int argc, char **argv)
{
	if (standard_files_fill() < 0)
		return CLI_FAILED;
	if (geteuid() != getuid() || getegid() != getgid())
		return cli_fail(CLI_FAILED,
			"turnfs must not be setuid or setgid: take that off it with chmod ug-s");
	char **taken = secret_take_args(argc, argv);
	if (!taken || argc < 1)
		return cli_fail(CLI_FAILED, "out of memory");
	int status = is_mount_helper(taken[0]) ? command_mount(argc, taken) : dispatch(argc, taken);
	if (fflush(stdout) != 0 && !status)
		status = cli_fail(CLI_FAILED, "cannot write to standard output");
	return status;
}
