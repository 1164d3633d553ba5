/* JSON in and out: what is parsed and printed parses as the same again. */
#include "fuzz.h"

#include "base/json.h"

static void check_round(const json_t *value, unsigned flags)
{
	struct blob *text = json_text(value, flags);
	CHECK(text);
	json_t *again = json_parse(blob_data(text), blob_size(text));
	CHECK(again && json_equal(value, again));
	struct blob *second = json_text(again, flags);
	CHECK(blob_size(second) == blob_size(text) &&
		!memcmp(blob_data(second), blob_data(text), blob_size(text)));
	blob_unref(second);
	blob_unref(text);
	json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *value = json_parse((const char *)data, size);
	if (value) {
		check_round(value, 0);
		check_round(value, JSON_TEXT_INDENT);
		blob_unref(json_to_shown(value));
		blob_unref(json_to_bytes(value));
		json_decref(value);
	}
	value = json_from_bytes((const char *)data, size);
	struct blob *bytes = json_to_bytes(value);
	CHECK(bytes && blob_size(bytes) == size && !memcmp(blob_data(bytes), data, size));
	check_round(value, 0);
	blob_unref(bytes);
	json_decref(value);
	return 0;
}
