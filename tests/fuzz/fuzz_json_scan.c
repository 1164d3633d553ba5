/* JSON as bytes: what is taken has its values where it says, and is the same written anew. */
#include "fuzz.h"

#include "base/json.h"
#include "base/utf8.h"
#include "redis/layouts/codecs/json_write.h"

static void check_string(const char *data, struct json_range string)
{
	struct blob *text = NULL;
	CHECK(json_scan_text(data, string, &text) == 0);
	CHECK(utf8_valid(blob_data(text), blob_size(text)));
	if (strlen(blob_data(text)) == blob_size(text))
		CHECK(json_scan_is(data, string, blob_data(text)));
	blob_unref(text);
}

static bool inside(struct json_range inner, struct json_range outer)
{
	return inner.start > outer.start && inner.size > 0 &&
	       inner.start + inner.size < outer.start + outer.size;
}

/* All values of an object or array, and theirs, without recursion. */
static void check_values(const char *data, struct json_range top)
{
	size_t count = 1;
	struct json_range *todo = malloc((top.size + 1) * sizeof(*todo));
	todo[0] = top;
	while (count > 0) {
		struct json_range value = todo[--count], alone;
		CHECK(json_scan(data + value.start, value.size, &alone, NULL) == 0);
		CHECK(alone.start == 0 && alone.size == value.size);
		if (json_scan_kind(data, value) == JSON_KIND_STRING)
			check_string(data, value);
		if (!strchr("{[", data[value.start]))
			continue;
		struct json_walk walk = json_scan_walk(data, value);
		while (json_scan_next(&walk)) {
			CHECK(inside(walk.value, value) &&
				(!walk.object || inside(walk.key, value)));
			if (walk.object)
				check_string(data, walk.key);
			todo[count++] = walk.value;
		}
	}
	free(todo);
}

static struct blob *rewritten(const char *data, struct json_range value, enum json_style style)
{
	struct json_out out = {.style = style};
	struct blob *text = NULL;
	json_write_value(&out, data, value);
	CHECK(json_write_end(&out, &text) == 0);
	return text;
}

static void check_written(const char *data, struct json_range value, enum json_style style)
{
	struct json_range range;
	struct blob *once = rewritten(data, value, style);
	CHECK(json_scan(once->data, once->size, &range, NULL) == 0 && range.size == once->size);
	struct blob *twice = rewritten(once->data, range, style);
	CHECK(once->size == twice->size && !memcmp(once->data, twice->data, once->size));
	json_t *before = json_parse(data, value.size), *after = json_parse(once->data, once->size);
	CHECK(!before || (after && json_equal(before, after)));
	json_decref(before);
	json_decref(after);
	blob_unref(once);
	blob_unref(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + !size); /* no NUL behind it */
	struct json_range range;
	size_t depth;
	memcpy(text, data, size);
	int rc = json_scan(text, size, &range, &depth);
	json_t *value = json_parse(text, size);
	CHECK(rc == 0 || !value); /* what jansson takes, we do */
	json_decref(value);
	if (rc == 0) {
		CHECK(depth <= size && range.size > 0 && range.start + range.size <= size);
		if (range.size < 2000) /* it takes their square in nested ones */
			check_values(text, range);
		char *whole = malloc(range.size);
		memcpy(whole, text + range.start, range.size);
		for (int style = 0; style <= JSON_STYLE_ASCII_COMPACT; style++)
			check_written(whole, (struct json_range){0, range.size}, style);
		free(whole);
	}
	free(text);
	return 0;
}
