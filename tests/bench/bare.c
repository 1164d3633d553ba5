/* An append through a mount beside the same commands from a bare hiredis loop and an empty create.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS = 64, WORDS = 64, TEXT = 4096, KINDS = 3, NUMBER = 6 };

struct command {
	int count;
	char *words[WORDS];
	size_t sizes[WORDS];
	bool is_name[WORDS]; /* begins with the six digits of the turn */
};

static struct command commands[COMMANDS];
static int command_count;
static char text[TEXT];
static redisContext *server;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bare: %s failed\n", what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool word_is_name(const char *word, size_t size)
{
	const char *end = "-user.md";
	return size >= NUMBER + strlen(end) && strspn(word, "0123456789") == NUMBER &&
	       !memcmp(word + NUMBER, end, strlen(end));
}

/* COUNT, then for each command its number of words, then SIZE and that many bytes for each. */
static void commands_load(const char *path)
{
	FILE *in = fopen(path, "re");
	check(in && fscanf(in, "%d\n", &command_count) == 1 && command_count <= COMMANDS, path);
	for (int c = 0; c < command_count; c++) {
		struct command *command = &commands[c];
		check(fscanf(in, "%d\n", &command->count) == 1 && command->count <= WORDS, path);
		for (int w = 0; w < command->count; w++) {
			size_t size;
			check(fscanf(in, "%zu", &size) == 1 && getc(in) == '\n', path);
			command->words[w] = calloc(1, size + 1);
			check(fread(command->words[w], 1, size, in) == size && getc(in) == '\n',
				path);
			command->sizes[w] = size;
			command->is_name[w] = word_is_name(command->words[w], size);
		}
	}
	fclose(in);
}

static void run_bare(int round)
{
	char number[NUMBER + 1];
	snprintf(number, sizeof number, "%06d", 100000 + round % 800000);
	for (int c = 0; c < command_count; c++) {
		struct command *command = &commands[c];
		for (int w = 0; w < command->count; w++)
			if (command->is_name[w])
				memcpy(command->words[w], number, NUMBER);
		redisAppendCommandArgv(
			server, command->count, (const char **)command->words, command->sizes);
	}
	for (int c = 0; c < command_count; c++) {
		redisReply *reply = NULL;
		check(redisGetReply(server, (void **)&reply) == REDIS_OK, "redisGetReply");
		check(reply->type != REDIS_REPLY_ERROR, reply->str ? reply->str : "a command");
		freeReplyObject(reply);
	}
}

static void run_append(const char *stream)
{
	int fd = open(stream, O_WRONLY);
	check(fd >= 0 && write(fd, text, TEXT) == TEXT && close(fd) == 0, stream);
}

static void run_create(const char *folder, int round)
{
	char path[1024];
	snprintf(path, sizeof path, "%s/e%d", folder, round);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	check(fd >= 0 && close(fd) == 0, path);
}

static int64_t run(int kind, int round, const char *stream, const char *folder)
{
	int64_t begun = now();
	if (kind == 0)
		run_append(stream);
	else if (kind == 1)
		run_bare(round);
	else
		run_create(folder, round);
	return now() - begun;
}

/* bare ROUNDS SOCKET COMMANDS STREAM FOLDER: ns of each, as JSON. */
int main(int argc, char **argv)
{
	static const char *const names[KINDS] = {"append", "bare", "create"};
	check(argc == 6, "usage: bare ROUNDS SOCKET COMMANDS STREAM FOLDER");
	int rounds = atoi(argv[1]), warm = 20;
	server = redisConnectUnix(argv[2]);
	check(server && !server->err, "connect");
	commands_load(argv[3]);
	memset(text, 'x', sizeof text);
	int64_t *times[KINDS];
	for (int k = 0; k < KINDS; k++)
		times[k] = calloc((size_t)rounds, sizeof **times);
	for (int i = -warm; i < rounds; i++)
		for (int n = 0; n < KINDS; n++) {
			int kind = (n + i + warm) % KINDS;
			int64_t ns = run(kind, i + warm, argv[4], argv[5]);
			if (i >= 0)
				times[kind][i] = ns;
		}
	for (int k = 0; k < KINDS; k++) {
		printf("%s\"%s\": [", k ? ", " : "{", names[k]);
		for (int i = 0; i < rounds; i++)
			printf("%s%lld", i ? "," : "", (long long)times[k][i]);
		printf("]");
	}
	printf("}\n");
	redisFree(server);
	return 0;
}
