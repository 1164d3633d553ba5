/* What an image says of the thread as a whole: times, time to live, attributes, document. */
#include "image_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { THREAD_MODE = 0700, SECOND_MS = 1000 };

/* More than this, and the value's times are not those at which its time to live was set. */
#define TTL_LIKELY_MS (7 * 24 * 3600 * INT64_C(1000))

uint64_t image_chain(uint64_t chain, uint64_t element_hash)
{
	return XXH3_64bits_withSeed(&element_hash, sizeof(element_hash), chain);
}

static uint64_t content_hash(const struct image *image)
{
	const struct raw *raw = &image->raw;
	uint64_t hash = XXH3_64bits_withSeed(
		&raw->count, sizeof(raw->count), raw->own ? blob_hash(raw->own) : 0);
	for (size_t i = 0; i < raw->count; i++)
		hash = XXH3_64bits_withSeed(
			&raw->elements[i]->hash, sizeof(raw->elements[i]->hash), hash);
	return hash;
}

static uint64_t side_hash(const struct side_map *side, uint64_t hash)
{
	for (size_t i = 0; i < side->count; i++) {
		const struct side_field *field = &side->items[i];
		if (side_name_after(field, "claim:") || side_name_after(field, "ours:") ||
			blob_size(field->name) == 3) /* rev */
			continue; /* nobody sees them */
		hash = XXH3_64bits_withSeed(field->name->data, field->name->size, hash);
		hash = XXH3_64bits_withSeed(field->value->data, field->value->size, hash);
	}
	return hash;
}

/* To the whole second that a tool sets; a session's time has lost its fraction. */
static int64_t round_ttl(const struct builder *b, int64_t ms)
{
	int64_t half = b->rules->layout->session ? 0 : SECOND_MS / 2;
	return (ms + half) / SECOND_MS * SECOND_MS;
}

int64_t raw_ttl_said(const struct raw *raw)
{
	const struct blob *text = side_get(&raw->side, "ttl");
	long long ttl, deadline;
	if (!text || sscanf(blob_data(text), "%lld %lld", &ttl, &deadline) != 2 || ttl <= 0 ||
		ttl > DEADLINE_MAX_MS)
		return 0;
	int64_t left = raw->deadline_ms;
	return deadline > left - SECOND_MS && deadline < left + SECOND_MS ? ttl : 0;
}

static int64_t ttl_of(const struct builder *b)
{
	int64_t deadline = b->image->raw.deadline_ms, updated = b->image->raw.updated_ns;
	if (deadline == STORE_DEADLINE_NEVER)
		return STORE_TTL_NEVER;
	int64_t ttl = raw_ttl_said(&b->image->raw),
		left = b->rules->left_ms > 0 ? b->rules->left_ms : SECOND_MS;
	if (ttl > 0)
		return ttl;
	if (updated != LAYOUT_TIME_NONE)
		ttl = round_ttl(b, deadline - updated / 1000000);
	return ttl >= left && ttl <= TTL_LIKELY_MS ? ttl : left;
}

/* What the layout tells of the last change, as near as it can be known. */
static int64_t mtime_of(const struct builder *b)
{
	int64_t updated = b->image->raw.updated_ns;
	const struct thread_info *info = &b->image->info;
	if (updated != LAYOUT_TIME_NONE)
		return updated;
	bool renews = b->rules->layout->keeps_ttl && info->ttl_ms != STORE_TTL_NEVER;
	int64_t ttl = raw_ttl_said(&b->image->raw) ? info->ttl_ms : b->rules->longest_ms;
	if (renews && ttl > 0)
		return (info->deadline_ms - ttl) * 1000000;
	return b->last_ns;
}

static void set_times(struct builder *b, const struct record *record)
{
	struct thread_info *info = &b->image->info;
	int64_t created = b->image->raw.created_ns;
	info->mtime_ns = info->ctime_ns = mtime_of(b);
	bool current = record->of == b->image->content; /* nothing has come since it was said */
	if (current && record->set & SET_MTIME)
		info->mtime_ns = record->mtime_ns;
	if (current && record->ctime_ns)
		info->ctime_ns = record->ctime_ns;
	else if (info->ctime_ns < info->mtime_ns)
		info->ctime_ns = info->mtime_ns;
	if (record->set & SET_CREATED)
		created = record->created_ns;
	if (created == LAYOUT_TIME_NONE) {
		const struct raw *raw = &b->image->raw;
		created = raw->count ? raw->elements[0]->turn.time_ns : LAYOUT_TIME_NONE;
	}
	info->created_ns = created == LAYOUT_TIME_NONE ? info->mtime_ns : created;
}

static void set_doc(struct builder *b)
{
	struct thread_info *info = &b->image->info;
	struct record record;
	const struct blob *text = side_get(&b->image->raw.side, "doc:text");
	record_read(side_get(&b->image->raw.side, "doc"), &record);
	bool said = text || (b->image->raw.own && b->image->raw.count > 0);
	info->doc.ino = b->place->gen + 1;
	info->doc.revision = said ? builder_revision(blob_hash(text) ^ blob_hash(b->image->raw.own))
				  : STORE_REVISION_NONE;
	info->doc.flags = record.flags;
	info->doc.mode = record.set & SET_MODE ? record.mode : info->mode & 0666;
	info->doc.uid = record.set & SET_OWNER ? record.uid : info->uid;
	info->doc.gid = record.set & SET_OWNER ? record.gid : info->gid;
	bool current = record.of == b->image->content;
	info->doc.mtime_ns = current && record.set & SET_MTIME ? record.mtime_ns : info->mtime_ns;
	info->doc.ctime_ns = current && record.ctime_ns ? record.ctime_ns : info->ctime_ns;
	record_done(&record);
}

int builder_thread(struct builder *b)
{
	struct image *image = b->image;
	struct thread_info *info = &image->info;
	struct record record;
	record_read(side_get(&image->raw.side, "thread"), &record);
	for (size_t i = 0; i < image->raw.count; i++)
		image->chain = image_chain(image->chain, image->raw.elements[i]->hash);
	image->content = content_hash(image);
	image->digest = side_hash(&image->raw.side, image->content);
	image->memory += sizeof(*image) + blob_size(image->raw.value);
	snprintf(info->id, sizeof(info->id), "%s", b->place->id);
	info->gen = b->place->gen;
	info->last_turn = (uint32_t)image->raw.count;
	info->mode = record.set & SET_MODE ? record.mode : THREAD_MODE;
	info->uid = record.set & SET_OWNER ? record.uid : b->rules->uid;
	info->gid = record.set & SET_OWNER ? record.gid : b->rules->gid;
	info->deadline_ms = image->raw.deadline_ms;
	info->ttl_ms = ttl_of(b);
	set_times(b, &record);
	set_doc(b);
	record_done(&record);
	return 0;
}
