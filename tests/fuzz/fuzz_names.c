/* Names: N1 to N4, and the encoding of ids that a store of another program may have. */
#include "fuzz.h"

#include "base/name.h"
#include "base/utf8.h"

static void check_turn(const char *name)
{
	uint32_t number = 0;
	char role[ROLE_MAX_BYTES + 1], again[NAME_MAX_BYTES + 1];
	if (!name_turn_parse(name, &number, role))
		return;
	CHECK(number >= 1 && number <= TURN_NUMBER_MAX && name_role_valid(role));
	name_turn_format(again, number, role);
	CHECK(!strcmp(name, again));
	CHECK(name_file_check(name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = fuzz_string(data, size);
	char shown[NAME_MAX_BYTES + 1], id[NAME_MAX_BYTES + 1], copy[NAME_MAX_BYTES + 1];
	unsigned long id_size = 0;
	if (name_thread_check(name) == 0)
		CHECK(utf8_valid(name, strlen(name)) && *name && strlen(name) <= NAME_MAX_BYTES &&
			*name != '.' && *name != '@' && !strchr(name, '/'));
	name_file_check(name);
	name_is_scratch(name);
	check_turn(name);
	if (name_encode((const char *)data, size, shown) == 0) {
		CHECK(name_thread_check(shown) == 0);
		name_decode(shown, id, &id_size);
		CHECK(id_size == size && !memcmp(id, data, size));
	}
	if (name_thread_check(name) == 0) {
		name_decode(name, id, &id_size);
		CHECK(id_size <= NAME_MAX_BYTES);
		CHECK(name_encode(id, id_size, copy) == 0 && !strcmp(copy, name));
	}
	free(name);
	return 0;
}
