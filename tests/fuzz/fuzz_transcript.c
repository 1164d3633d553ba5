/* Lines written to @transcript.jsonl (W7). The parser is static there, hence taken in whole. */
#include "fuzz.h"

#include "../../fs/transcript_write.c"

/* Not reached: they belong to what happens with the turns afterwards. */
int append_turns(struct fs *fs, struct thread *thread, struct turn_new *turns, size_t count,
	bool durable, uint32_t *ret_first)
{
	return -EIO;
}

void append_owner(const struct thread *thread, const struct handle *handle, struct turn_new *turn)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines = {0};
	int rc = lines_parse(&lines, (const char *)data, size);
	CHECK(rc == 0 || rc == -EINVAL);
	for (size_t i = 0; !rc && i < lines.count; i++)
		CHECK(name_role_valid(lines.turns[i].role) && lines.turns[i].content);
	lines_done(&lines);
	return 0;
}
