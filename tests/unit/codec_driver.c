/*
 * Lets another program use the codecs: test_codecs_python.py. A request is a line "WHAT CODEC TIME
 * SIZE…" and behind it parts of so many bytes; an answer is a line "RC TIME PATCHABLE SIZE…" and
 * the parts.
 */
#include "redis/layouts/codecs/codec.h"
#include "redis/layouts/codecs/json_scan.h"
#include "redis/layouts/codecs/zen_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 4 };

static const struct layout_codec *const codecs[] = {&codec_zen, &codec_langchain,
	&codec_langchain_js, &codec_openai_agents, &codec_llamaindex, &codec_agent_framework};

struct request {
	char what[32], codec[32];
	int64_t time;
	struct blob *parts[PARTS_MAX];
	int count;
};

struct answer {
	int rc;
	int64_t time;
	bool patchable;
	struct blob *parts[PARTS_MAX];
	int count;
};

static bool read_request(struct request *ret)
{
	char line[256];
	int at = 0;
	if (!fgets(line, sizeof(line), stdin) || sscanf(line, "%31s %31s %" SCNd64 "%n", ret->what,
							 ret->codec, &ret->time, &at) != 3)
		return false;
	char *rest = line + at;
	for (ret->count = 0; *rest == ' '; ret->count++) {
		size_t size = strtoul(rest, &rest, 10);
		char *data = malloc(size + 1);
		if (!data || fread(data, 1, size, stdin) != size)
			return false;
		ret->parts[ret->count] = blob_adopt(data, size);
	}
	return true;
}

static void write_answer(struct answer *answer)
{
	printf("%d %" PRId64 " %d", answer->rc, answer->time, answer->patchable);
	for (int i = 0; i < answer->count; i++)
		printf(" %zu", blob_size(answer->parts[i]));
	printf("\n");
	for (int i = 0; i < answer->count; i++) {
		fwrite(blob_data(answer->parts[i]), 1, blob_size(answer->parts[i]), stdout);
		blob_unref(answer->parts[i]);
	}
	fflush(stdout);
}

static const char *part(const struct request *request, int i, size_t *ret_size)
{
	*ret_size = blob_size(request->parts[i]);
	return blob_data(request->parts[i]);
}

static void decode(const struct layout_codec *codec, struct request *request, struct answer *ret)
{
	size_t size;
	struct layout_turn turn = {0};
	const char *data = part(request, 0, &size);
	ret->rc = codec_decode(codec, data, size, &turn);
	if (ret->rc < 0)
		return;
	ret->time = turn.time_ns;
	ret->patchable = turn.patchable;
	ret->parts[0] = blob_new(turn.role, strlen(turn.role));
	ret->parts[1] = turn.text;
	ret->parts[2] = turn.meta;
	ret->count = 3;
}

static void encode(const struct layout_codec *codec, struct request *request, struct answer *ret)
{
	struct layout_turn turn = {.text = request->parts[1], .time_ns = request->time};
	snprintf(turn.role, sizeof(turn.role), "%s", blob_data(request->parts[0]));
	turn.meta = blob_size(request->parts[2]) > 0 ? request->parts[2] : NULL;
	ret->rc = codec_encode(codec, &turn, &ret->parts[0]);
	ret->count = ret->rc == 0;
}

static void patch(const struct layout_codec *codec, struct request *request, struct answer *ret)
{
	size_t size, text_size;
	const char *data = part(request, 0, &size), *text = part(request, 1, &text_size);
	ret->rc = codec_patch(codec, data, size, text, text_size, &ret->parts[0]);
	ret->count = ret->rc == 0;
}

static void parse_zen(struct request *request, struct answer *ret)
{
	size_t size;
	struct zen_value value = {0};
	const char *data = part(request, 0, &size);
	ret->rc = zen_value_parse(data, size, &value);
	if (ret->rc < 0)
		return;
	struct blob *turns = NULL;
	for (size_t i = 0; i < value.count; i++) {
		char line[64];
		int length = snprintf(
			line, sizeof(line), "%zu %zu\n", value.turns[i].start, value.turns[i].size);
		blob_write(&turns, blob_size(turns), line, (size_t)length);
	}
	ret->time = value.updated_ns;
	ret->parts[0] = blob_ref(value.thread_id);
	ret->parts[1] = blob_ref(value.own);
	ret->parts[2] = turns;
	ret->count = 3;
	zen_value_done(&value);
}

static void change_zen(struct request *request, struct answer *ret)
{
	size_t size;
	const char *data = part(request, 0, &size), *what = request->what;
	struct blob **out = &ret->parts[0], *const *rest = request->parts + 1;
	size_t count = (size_t)request->count - 1;
	if (strcmp(what, "append") == 0)
		ret->rc = zen_value_append(data, size, rest, count, request->time, out);
	else if (strcmp(what, "replace") == 0)
		ret->rc = zen_value_replace(data, size, strtoul(blob_data(rest[0]), NULL, 10),
			rest[1], request->time, out);
	else if (strcmp(what, "remove") == 0)
		ret->rc = zen_value_remove_last(data, size, request->time, out);
	else if (strcmp(what, "own") == 0)
		ret->rc = zen_value_set_own(data, size, rest[0], request->time, out);
	else
		ret->rc = zen_value_create(data, request->time, count ? rest[0] : NULL, out);
	ret->count = ret->rc == 0;
}

static void serve(struct request *request, struct answer *ret)
{
	const struct layout_codec *codec = NULL;
	for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++)
		if (strcmp(codecs[i]->name, request->codec) == 0)
			codec = codecs[i];
	size_t size;
	struct json_range range;
	const char *data = part(request, 0, &size);
	if (strcmp(request->what, "scan") == 0)
		ret->rc = json_scan(data, size, &range, NULL);
	else if (!codec && strcmp(request->what, "parse") == 0)
		parse_zen(request, ret);
	else if (!codec)
		change_zen(request, ret);
	else if (strcmp(request->what, "decode") == 0)
		decode(codec, request, ret);
	else if (strcmp(request->what, "encode") == 0)
		encode(codec, request, ret);
	else
		patch(codec, request, ret);
}

int main(void)
{
	struct request request;
	while (read_request(&request)) {
		struct answer answer = {0};
		serve(&request, &answer);
		write_answer(&answer);
		for (int i = 0; i < request.count; i++)
			blob_unref(request.parts[i]);
	}
	return 0;
}
