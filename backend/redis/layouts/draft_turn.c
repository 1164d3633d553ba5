/* Turns in a change: written as the tool would, patched in their text alone, with what has no
 * place. */
#include "draft.h"

#include "base/json.h"
#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MODE = 0600 };

/* Whether each member of the metadata has a place in the tool's own form. */
static bool keeps_all(const struct layout_codec *codec, const struct blob *meta)
{
	json_auto_t *object = meta ? json_parse(blob_data(meta), blob_size(meta)) : NULL;
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value) if (!codec_keeps(codec, key)) return false;
	return true;
}

struct blob *draft_element(
	struct draft *d, const char *role, const struct change *change, bool *ret_kept)
{
	const struct layout_codec *codec = d->s->layout->codec;
	CLEAN_BLOB struct blob *empty = blob_new(NULL, 0);
	struct layout_turn turn = {
		.text = change->content ? change->content : empty,
		.meta = change->meta,
		.time_ns = change->mtime_ns,
	};
	struct blob *bytes = NULL;
	snprintf(turn.role, sizeof(turn.role), "%s", role);
	*ret_kept = keeps_all(codec, change->meta);
	int r = turn.text ? codec_encode(codec, &turn, &bytes) : -ENOMEM;
	if (r == -EINVAL && change->meta) {
		turn.meta = NULL; /* a member of another type than the tool's: kept beside it */
		*ret_kept = false;
		r = codec_encode(codec, &turn, &bytes);
	}
	errno = -r;
	return r < 0 ? NULL : bytes;
}

bool draft_record(const struct layout_store *s, const struct element *element,
	const struct change *change, bool kept, int64_t time_ns, struct record *ret)
{
	*ret = (struct record){.of = element->hash};
	if (change->mode != FILE_MODE) {
		ret->set |= SET_MODE;
		ret->mode = change->mode;
	}
	if (change->uid != s->uid || change->gid != s->gid) {
		ret->set |= SET_OWNER;
		ret->uid = change->uid;
		ret->gid = change->gid;
	}
	/* Tools that keep times keep microseconds. */
	if (element->turn.time_ns == LAYOUT_TIME_NONE ||
		element->turn.time_ns / 1000 != change->mtime_ns / 1000) {
		ret->set |= SET_MTIME;
		ret->mtime_ns = change->mtime_ns;
		ret->ctime_ns = time_ns;
	}
	if (!kept) {
		ret->set |= SET_META;
		ret->meta = blob_ref(change->meta);
	}
	return ret->set != 0;
}

static void turn_field(uint32_t number, char ret[24])
{
	snprintf(ret, 24, "turn:%u", number);
}

static int put_record(struct draft *d, uint32_t number, const struct record *record)
{
	char field[24];
	turn_field(number, field);
	return side_put_record(&d->side, field, record);
}

static void ours_field(const struct element *element, char ret[24])
{
	snprintf(ret, 24, "ours:%016llx", (unsigned long long)element->identity);
}

/* A turn that is changed or goes is no loss. */
static int forget(struct draft *d, const struct element *element)
{
	char field[24];
	ours_field(element, field);
	if (!side_get(&d->side, field))
		return 0;
	side_remove(&d->side, field);
	return draft_content(d, field, NULL);
}

int draft_forget_turn(struct draft *d, uint32_t number)
{
	char field[24];
	turn_field(number, field);
	side_remove(&d->side, field);
	return forget(d, d->turns[number - 1].element);
}

/* What turnfs writes into a whole value is remembered, for others write over it. */
static int remember(struct draft *d, const struct element *element, uint32_t number)
{
	char field[24], text[16];
	if (d->s->layout->kind != LAYOUT_VALUE)
		return 0;
	ours_field(element, field);
	snprintf(text, sizeof(text), "%u", number);
	int r = side_put_text(&d->side, field, text);
	return r < 0 ? r : draft_content(d, field, element->bytes);
}

int draft_add(struct draft *d, uint32_t number, const char *role, const struct change *change)
{
	struct record record;
	bool kept;
	if (number > STORE_TURN_MAX)
		return -EDQUOT;
	if (number != d->count + 1)
		return -EINVAL;
	CLEAN_BLOB struct blob *bytes = draft_element(d, role, change, &kept);
	if (!bytes)
		return -errno;
	struct draft_turn *turns = reallocarray(d->turns, d->count + 1, sizeof(*turns));
	if (!turns)
		return -ENOMEM;
	d->turns = turns;
	struct draft_turn *turn = &d->turns[d->count];
	*turn = (struct draft_turn){.added = true};
	int r = element_new(d->s->layout->codec, bytes, &turn->element);
	if (r < 0)
		return r;
	d->count++;
	if (draft_record(d->s, turn->element, change, kept, d->time_ns, &record))
		r = put_record(d, number, &record);
	record_done(&record);
	return r < 0 ? r : remember(d, turn->element, number);
}

static int patch_text(
	struct draft *d, struct draft_turn *turn, uint32_t number, const struct blob *content)
{
	struct blob *bytes = NULL;
	struct element *element;
	if (blob_equal(content, turn->element->turn.text))
		return 0;
	int r = turn->element->turn.patchable ? 0 : -EPERM;
	if (r == 0)
		r = codec_patch(d->s->layout->codec, blob_data(turn->element->bytes),
			blob_size(turn->element->bytes), blob_data(content), blob_size(content),
			&bytes);
	if (r < 0)
		return r == -EBADMSG ? -EIO : r;
	r = element_new(d->s->layout->codec, bytes, &element);
	blob_unref(bytes);
	if (r == 0)
		r = forget(d, turn->element);
	if (r == 0)
		r = remember(d, element, number);
	if (r < 0)
		return r;
	element_unref(turn->element);
	turn->element = element;
	turn->changed = true;
	return 0;
}

/* What the side key said of it till now, if it still speaks of it. */
static void record_of(struct draft *d, uint32_t number, struct record *ret)
{
	char field[24];
	turn_field(number, field);
	if (record_read(side_get(&d->side, field), ret) &&
		ret->of == d->turns[number - 1].element->hash)
		return;
	record_done(ret);
	*ret = (struct record){0};
}

static void record_set(struct record *record, const struct change *change, unsigned set)
{
	if (set & SET_MODE)
		record->mode = change->mode;
	if (set & SET_OWNER) {
		record->uid = change->uid;
		record->gid = change->gid;
	}
	if (set & SET_MTIME)
		record->mtime_ns = change->mtime_ns;
	if (set & SET_META) {
		blob_ref(change->meta);
		blob_unref(record->meta);
		record->meta = change->meta;
	}
	record->set |= set & (SET_MODE | SET_OWNER | SET_MTIME | SET_META);
}

int draft_patch(struct draft *d, uint32_t number, const struct change *change, unsigned set)
{
	struct draft_turn *turn = &d->turns[number - 1];
	struct record record;
	if (!turn->element->readable)
		return -EIO;
	record_of(d, number, &record);
	int r = set & SET_CONTENT ? patch_text(d, turn, number, change->content) : 0;
	if (r == 0) {
		record_set(&record, change, set);
		record.of = turn->element->hash;
		record.ctime_ns = d->time_ns;
		r = put_record(d, number, &record);
	}
	record_done(&record);
	return r;
}
