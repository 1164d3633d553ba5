/* A Redis or Valkey server of the suite's own; see server.h. */
#include "server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64], path[96];
static pid_t server;

bool server_is_there(const char *program)
{
	const char *folders[] = {"/usr/bin", "/usr/local/bin"};
	char file[128];
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(file, sizeof(file), "%s/%s", folders[i], program);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* -1: it does not listen. */
static int connect_server(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(address.sun_path, path, sizeof(path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool answers(void)
{
	char answer[8] = "";
	int fd = connect_server();
	if (fd < 0)
		return false;
	bool good = write(fd, "PING\r\n", 6) == 6 && read(fd, answer, 7) > 0;
	close(fd);
	return good && !strncmp(answer, "+PONG", 5);
}

static void run(const char *program)
{
	int null = open("/dev/null", O_WRONLY);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a suite that crashes leaves none behind */
	dup2(null, 1);
	execlp(program, program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly",
		"yes", "--appendfsync", "everysec", "--dir", folder, NULL);
	_exit(127);
}

const char *server_start(const char *program)
{
	const struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
	snprintf(folder, sizeof(folder), "/var/tmp/turnfs-server-XXXXXX");
	if (!mkdtemp(folder))
		exit(1);
	snprintf(path, sizeof(path), "%s/redis.sock", folder);
	server = fork();
	if (server == 0)
		run(program);
	for (int i = 0; i < 1000; i++) {
		if (answers())
			return path;
		nanosleep(&moment, NULL);
	}
	fprintf(stderr, "%s does not answer\n", program);
	server_stop();
	exit(1);
}

/* The protocol's own form: *COUNT, and $LENGTH and the bytes of each word. */
static size_t format_words(char *text, char *ret, size_t room)
{
	char *cursor = text;
	size_t count = 0, size = 0;
	char words[512] = "";
	for (char *word; (word = strsep(&cursor, " ")); count++) {
		for (char *space; (space = strstr(word, "\\x20"));) {
			*space = ' ';
			memmove(space + 1, space + 4, strlen(space + 4) + 1);
		}
		size += (size_t)snprintf(
			words + size, sizeof(words) - size, "$%zu\r\n%s\r\n", strlen(word), word);
	}
	return (size_t)snprintf(ret, room, "*%zu\r\n%s", count, words);
}

long long server_command(const char *format, ...)
{
	char text[256], command[600], answer[256] = "";
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t size = format_words(text, command, sizeof(command));
	int fd = connect_server();
	if (write(fd, command, size) != (ssize_t)size ||
		read(fd, answer, sizeof(answer) - 1) <= 0 || answer[0] == '-') {
		fprintf(stderr, "%s: %s\n", text, answer);
		exit(1);
	}
	close(fd);
	return answer[0] == ':' ? strtoll(answer + 1, NULL, 10) : 0;
}

void server_stop(void)
{
	char command[96];
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	const char *files[] = {"appendonlydir/appendonly.aof.1.base.rdb",
		"appendonlydir/appendonly.aof.1.incr.aof", "appendonlydir/appendonly.aof.manifest",
		"appendonlydir", "dump.rdb", ""};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(command, sizeof(command), "%s/%s", folder, files[i]);
		remove(command);
	}
}
