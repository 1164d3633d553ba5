/* A zen thread's value put together again; see zen_parts.h. */
#include "zen_parts.h"

#include "codec.h"

#include <assert.h>
#include <errno.h>

int zen_parts_find(const char *data, size_t size, struct zen_parts *ret)
{
	*ret = (struct zen_parts){.data = data, .size = size};
	int r = json_scan(data, size, &ret->object, NULL);
	if (r < 0)
		return r;
	return places_take(data, ret->object, zen_thread_members, ret->members) ? 0 : -EBADMSG;
}

struct json_out *zen_edit(struct zen_edits *edits, struct json_range old)
{
	assert(edits->count < ZEN_EDITS_MAX);
	size_t i = edits->count++;
	for (; i > 0 && edits->at[i - 1].old.start > old.start; i--)
		edits->at[i] = edits->at[i - 1];
	edits->at[i].old = old;
	edits->at[i].new = (struct json_out){.style = JSON_STYLE_RAW};
	return &edits->at[i].new;
}

void zen_edits_done(struct zen_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		blob_unref(edits->at[i].new.text);
	edits->count = 0;
}

static void apply(
	const struct zen_parts *parts, const struct zen_edits *edits, struct json_out *out)
{
	size_t done = 0;
	for (size_t i = 0; i < edits->count; i++) {
		const struct json_out *new = &edits->at[i].new;
		size_t start = edits->at[i].old.start;
		json_write_bytes(out, parts->data + done, start - done);
		json_write_bytes(out, blob_data(new->text), blob_size(new->text));
		done = start + edits->at[i].old.size;
		if (out->rc == 0)
			out->rc = new->rc;
	}
	json_write_bytes(out, parts->data + done, parts->size - done);
}

int zen_edits_apply(const struct zen_parts *parts, struct zen_edits *edits, int64_t updated_ns,
	struct blob **ret)
{
	struct json_out out = {.style = JSON_STYLE_RAW};
	if (updated_ns != LAYOUT_TIME_NONE)
		zen_write_time(zen_edit(edits, parts->members[ZEN_UPDATED_AT]), updated_ns);
	out.rc = blob_own(&out.text, parts->size);
	apply(parts, edits, &out);
	zen_edits_done(edits);
	return json_write_end(&out, ret);
}
