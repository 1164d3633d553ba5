/* A turn inside a zen thread's value. */
#include "element.h"
#include "zen_form.h"

#include <errno.h>

static int locate(const char *data, struct json_range object, struct element *ret)
{
	struct json_range found[PLACES_MAX];
	if (!places_take(data, object, zen_turn_members, found))
		return -EBADMSG;
	ret->role = found[0];
	ret->text = found[1];
	ret->time = found[2];
	return 0;
}

/* Its role is any text. */
static void write_turn(struct json_out *out, const struct layout_turn *turn, struct json_range meta)
{
	json_write_member(out, "role", turn->role);
	json_write_key(out, "content");
	json_write_string(out, blob_data(turn->text), blob_size(turn->text));
	json_write_key(out, "timestamp");
	zen_write_time(out, turn->time_ns);
	places_write(out, zen_turn_metadata, turn->role, blob_data(turn->meta), meta);
}

static const struct form form = {
	.style = JSON_STYLE_RAW,
	.locate = locate,
	.hidden = (const char *const[]){"role", "content", "timestamp", NULL},
	.places = zen_turn_metadata,
	.write = write_turn,
};

const struct layout_codec codec_zen = {"zen", &form};
