/* Times, spans, sizes, UTF-8 and base64. */
#include "fuzz.h"

#include "base/base64.h"
#include "base/text.h"
#include "base/utf8.h"

static void check_time(const char *text)
{
	int64_t ns, again;
	char shown[TEXT_TIME_MAX];
	if (text_time_parse(text, &ns) < 0)
		return;
	text_time_ns(ns, shown);
	CHECK(strlen(shown) == 30 && text_time_parse(shown, &again) == 0 && again == ns);
	text_time_s(ns, shown);
	CHECK(strlen(shown) < TEXT_TIME_MAX);
}

static void check_spans(const char *text)
{
	int64_t ms, again;
	uint64_t bytes, bytes_again;
	char shown[TEXT_TIME_MAX];
	if (text_span_parse(text, &ms) == 0) {
		CHECK(ms >= -1);
		text_span_format(ms, shown);
		CHECK(text_span_parse(shown, &again) == 0 && again == ms);
	}
	if (text_size_parse(text, &bytes) == 0) {
		text_size_format(bytes, shown);
		CHECK(text_size_parse(shown, &bytes_again) == 0 && bytes_again == bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);
	int64_t ns;
	char shown[TEXT_TIME_MAX];
	check_time(text);
	check_spans(text);
	if (size >= sizeof ns) {
		memcpy(&ns, data, sizeof ns);
		text_time_ns(ns, shown);
		text_span_format(ns < -1 ? -1 : ns, shown);
		text_size_format((uint64_t)ns, shown);
	}
	utf8_printable(text);
	CHECK(utf8_valid(text, strlen(text)));
	struct blob *encoded = base64_encode((const char *)data, size);
	struct blob *decoded = base64_decode(blob_data(encoded), blob_size(encoded));
	CHECK(decoded && blob_size(decoded) == size && !memcmp(blob_data(decoded), data, size));
	blob_unref(decoded);
	blob_unref(encoded);
	decoded = base64_decode((const char *)data, size);
	if (decoded) {
		encoded = base64_encode(blob_data(decoded), blob_size(decoded));
		CHECK(blob_size(encoded) == size && !memcmp(blob_data(encoded), data, size));
		blob_unref(encoded);
	}
	blob_unref(decoded);
	free(text);
	return 0;
}
