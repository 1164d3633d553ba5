/* A zen thread's whole value: what is added can be taken away again, and all else keeps its bytes.
 */
#include "fuzz.h"

#include "base/json.h"
#include "redis/layouts/codecs/zen_value.h"

#include <errno.h>

static const char turn[] = "{\"role\":\"user\",\"content\":\"new\",\"timestamp\":\"\"}";

static struct blob *value_of(const char *data, size_t size, struct zen_value *ret)
{
	CHECK(zen_value_parse(data, size, ret) == 0);
	json_t *own = json_parse(ret->own->data, ret->own->size);
	CHECK(json_is_object(own));
	struct blob *text = json_text(own, 0);
	json_decref(own);
	return text;
}

static void check_same(struct blob *changed, const char *data, size_t size)
{
	CHECK(blob_size(changed) == size && !memcmp(blob_data(changed), data, size));
	blob_unref(changed);
}

static void check_append(const char *data, size_t size, const struct zen_value *value)
{
	struct zen_value longer;
	struct blob *changed = NULL, *back = NULL, *element = blob_new(turn, strlen(turn));
	CHECK(zen_value_append(data, size, &element, 1, LAYOUT_TIME_NONE, &changed) == 0);
	blob_unref(value_of(changed->data, changed->size, &longer));
	CHECK(longer.count == value->count + 1);
	for (size_t i = 0; i < value->count; i++)
		CHECK(longer.turns[i].start == value->turns[i].start &&
			longer.turns[i].size == value->turns[i].size);
	struct zen_range last = longer.turns[value->count];
	size_t end = last.start + last.size, rest = changed->size - end;
	CHECK(last.size == strlen(turn) && !memcmp(changed->data + last.start, turn, last.size));
	CHECK(!memcmp(changed->data, data, last.start - (value->count > 0)));
	CHECK(!memcmp(changed->data + end, data + size - rest, rest));
	CHECK(zen_value_remove_last(changed->data, changed->size, LAYOUT_TIME_NONE, &back) == 0);
	check_same(back, data, size);
	zen_value_done(&longer);
	blob_unref(changed);
	blob_unref(element);
}

static void check_replace(const char *data, size_t size, const struct zen_value *value)
{
	for (size_t i = 0; i < value->count && i < 4; i++) {
		struct blob *changed = NULL;
		struct zen_range range = value->turns[i];
		struct blob *element = blob_new(data + range.start, range.size);
		CHECK(zen_value_replace(data, size, i, element, LAYOUT_TIME_NONE, &changed) == 0);
		check_same(changed, data, size);
		blob_unref(element);
	}
}

static void check_time(const char *data, size_t size, const struct zen_value *value)
{
	struct zen_value later;
	struct blob *changed = NULL;
	CHECK(zen_value_append(data, size, NULL, 0, 1700000000123456000, &changed) == 0);
	blob_unref(value_of(changed->data, changed->size, &later));
	CHECK(later.updated_ns == 1700000000123456000 && later.count == value->count);
	CHECK(later.created_ns == value->created_ns);
	zen_value_done(&later);
	blob_unref(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *data = malloc(size + !size);
	memcpy(data, bytes, size);
	struct zen_value value;
	struct blob *changed = NULL;
	int rc = zen_value_parse(data, size, &value);
	CHECK(rc == 0 || rc == -EBADMSG);
	if (rc == 0) {
		zen_value_done(&value);
		struct blob *own = value_of(data, size, &value);
		check_append(data, size, &value);
		check_replace(data, size, &value);
		check_time(data, size, &value);
		CHECK(zen_value_set_own(data, size, own, LAYOUT_TIME_NONE, &changed) == 0);
		check_same(changed, data, size);
		zen_value_done(&value);
		blob_unref(own);
	} else {
		CHECK(zen_value_remove_last(data, size, 0, &changed) == -EBADMSG);
	}
	free(data);
	return 0;
}
