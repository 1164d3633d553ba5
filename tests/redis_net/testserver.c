/* Starting and ending a test's Redis server; see testserver.h. */
#include "testserver.h"

#include "../unit/unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int loopback_listen(int *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

int loopback_port(void)
{
	int port;

	close(loopback_listen(&port));
	return port;
}

bool server_is_there(const char *program)
{
	char file[64];

	snprintf(file, sizeof(file), "/usr/bin/%s", program);
	return access(file, X_OK) == 0;
}

static void run(const struct test_server *s)
{
	const char *argv[48] = {s->program, "--port", "0", "--unixsocket", s->path, "--dir",
		s->folder, "--loglevel", "warning", "--enable-debug-command", "yes"};
	size_t count = 11;
	int null = open("/dev/null", O_WRONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves none behind */
	for (size_t i = 0; s->args[i]; i++)
		argv[count++] = s->args[i];
	dup2(null, 1);
	execvp(s->program, (char *const *)argv);
	_exit(127);
}

static bool answers(const struct test_server *s)
{
	redisContext *c = redisConnectUnix(s->path);
	bool good = c && !c->err;

	if (good) {
		redisReply *reply = redisCommand(c, "PING");
		good = reply != NULL;
		if (reply)
			freeReplyObject(reply);
	}
	if (c)
		redisFree(c);
	return good;
}

void server_start_again(struct test_server *s)
{
	const struct timespec moment = {.tv_nsec = 5 * 1000 * 1000};

	unlink(s->path);
	s->pid = fork();
	if (s->pid == 0)
		run(s);
	for (int i = 0; i < 2000; i++) {
		if (answers(s))
			return;
		nanosleep(&moment, NULL);
	}
	fail_msg("%s does not answer", s->program);
}

void server_start(struct test_server *s, const char *program, const char *const *args)
{
	*s = (struct test_server){.program = program};
	for (size_t i = 0; args && args[i]; i++)
		s->args[i] = args[i];
	strcpy(s->folder, "/var/tmp/turnfs-net-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/s", s->folder);
	server_start_again(s);
}

void server_kill(struct test_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void server_done(struct test_server *s)
{
	server_kill(s);
	if (*s->folder)
		nftw(s->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	*s = (struct test_server){0};
}

static redisReply *ask(struct test_server *s, const char *format, va_list args)
{
	redisContext *c = redisConnectUnix(s->path);

	assert_non_null(c);
	redisReply *reply = redisvCommand(c, format, args);
	assert_non_null(reply);
	redisFree(c);
	return reply;
}

redisReply *server_ask(struct test_server *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *reply = ask(s, format, args);
	va_end(args);
	return reply;
}

long long server_do(struct test_server *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	redisReply *reply = ask(s, format, args);
	va_end(args);
	if (reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: %s", format, reply->str);
	long long number = reply->type == REDIS_REPLY_INTEGER  ? reply->integer
			   : reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10)
							       : 0;
	freeReplyObject(reply);
	return number;
}
