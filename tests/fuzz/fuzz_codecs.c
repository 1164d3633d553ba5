/*
 * Elements of chat servers: the first byte chooses a codec. What is read can be shown; a patch
 * changes one string and no other byte; what is written is read back.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/utf8.h"
#include "redis/layouts/codecs/codec.h"

#include <errno.h>

static const struct layout_codec *const codecs[] = {&codec_zen, &codec_langchain,
	&codec_langchain_js, &codec_openai_agents, &codec_llamaindex, &codec_agent_framework};

static void check_turn(const struct layout_turn *turn)
{
	CHECK(name_role_valid(turn->role));
	CHECK(turn->text && utf8_valid(turn->text->data, turn->text->size));
	if (!turn->meta)
		return;
	json_t *meta = json_parse(turn->meta->data, turn->meta->size);
	CHECK(json_is_object(meta));
	json_decref(meta);
}

static bool same(const struct blob *a, const struct blob *b)
{
	return blob_size(a) == blob_size(b) && !memcmp(blob_data(a), blob_data(b), blob_size(a));
}

static struct blob *patched(const struct layout_codec *codec, const char *data, size_t size,
	const char *text, size_t text_size)
{
	struct blob *ret = NULL;
	CHECK(codec_patch(codec, data, size, text, text_size, &ret) == 0);
	return ret;
}

/* With an empty text, the element is its bytes before the text and those behind it. */
static void check_outside(const struct layout_codec *codec, const char *data, size_t size)
{
	struct blob *empty = patched(codec, data, size, "", 0);
	struct blob *other = patched(codec, data, size, "Q", 1);
	size_t at = 0;
	CHECK(empty->size <= size && other->size == empty->size + 1);
	while (at < empty->size && empty->data[at] == other->data[at])
		at++;
	CHECK(other->data[at] == 'Q');
	CHECK(!memcmp(other->data + at + 1, empty->data + at, empty->size - at));
	CHECK(!memcmp(data, empty->data, at));
	CHECK(!memcmp(data + size - (empty->size - at), empty->data + at, empty->size - at));
	blob_unref(empty);
	blob_unref(other);
}

static void check_patch(const struct layout_codec *codec, const char *data, size_t size,
	const struct layout_turn *turn)
{
	struct layout_turn again;
	struct blob *text = turn->text;
	struct blob *element = patched(codec, data, size, text->data, text->size);
	CHECK(codec_decode(codec, element->data, element->size, &again) == 0);
	CHECK(same(text, again.text) && same(turn->meta, again.meta) && again.patchable);
	CHECK(strcmp(turn->role, again.role) == 0 && turn->time_ns == again.time_ns);
	layout_turn_done(&again);
	blob_unref(element);
	check_outside(codec, data, size);
}

static void check_encode(const struct layout_codec *codec, const struct layout_turn *turn)
{
	struct layout_turn again;
	struct blob *element = NULL;
	int rc = codec_encode(codec, turn, &element);
	CHECK(rc == 0 || rc == -EINVAL);
	if (rc < 0)
		return;
	CHECK(codec_decode(codec, element->data, element->size, &again) == 0);
	CHECK(same(turn->text, again.text) && strcmp(turn->role, again.role) == 0);
	CHECK(again.patchable);
	check_turn(&again);
	layout_turn_done(&again);
	blob_unref(element);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const struct layout_codec *codec = codecs[data[0] % (sizeof(codecs) / sizeof(*codecs))];
	char *element = malloc(size--);
	memcpy(element, data + 1, size);
	struct layout_turn turn;
	struct blob *other = NULL;
	int rc = codec_decode(codec, element, size, &turn);
	CHECK(rc == 0 || rc == -EBADMSG);
	if (rc < 0) {
		CHECK(codec_patch(codec, element, size, "x", 1, &other) == -EBADMSG);
	} else {
		check_turn(&turn);
		if (turn.patchable)
			check_patch(codec, element, size, &turn);
		else
			CHECK(codec_patch(codec, element, size, "x", 1, &other) == -EPERM);
		check_encode(codec, &turn);
		layout_turn_done(&turn);
	}
	free(element);
	return 0;
}
