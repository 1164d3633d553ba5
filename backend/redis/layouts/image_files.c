/* The files of an image: its turns, its attachments; and turns of ours that were overwritten. */
#include "image_inside.h"

#include "base/log.h"
#include "base/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FILE_MODE = 0600 };

/* 64 places for each number: those of the roles that there usually are, then by hash. */
static uint64_t role_place(const char *role)
{
	static const char *const usual[] = {"user", "assistant", "system", "tool"};
	enum { USUAL = sizeof(usual) / sizeof(*usual), PLACES = 64 };
	for (uint64_t i = 0; i < USUAL; i++)
		if (!strcmp(role, usual[i]))
			return i;
	return USUAL + XXH3_64bits(role, strlen(role)) % (PLACES - USUAL);
}

uint64_t image_turn_ino(const struct place *place, uint32_t number, const char *role)
{
	return place->gen - ((uint64_t)number << 6 | role_place(role));
}

uint64_t image_turn_revision(uint64_t ino, uint64_t element_hash, const struct blob *record)
{
	uint64_t hash = XXH3_64bits_withSeed(&element_hash, sizeof(element_hash), ino);
	return builder_revision(record ? hash ^ blob_hash(record) : hash);
}

static void apply_record(struct file_info *info, struct record *record)
{
	if (record->set & SET_MODE)
		info->mode = record->mode;
	if (record->set & SET_OWNER) {
		info->uid = record->uid;
		info->gid = record->gid;
	}
	if (record->set & SET_MTIME)
		info->mtime_ns = info->ctime_ns = record->mtime_ns;
	if (record->ctime_ns)
		info->ctime_ns = record->ctime_ns;
	if (record->set & SET_META) {
		blob_unref(info->meta);
		info->meta = blob_ref(record->meta);
	}
}

/* What the side key says of turn `number`, if it speaks of these bytes. */
static void apply_turn_record(
	struct builder *b, struct file_info *info, uint32_t number, const struct element *element)
{
	char field[24];
	struct record record;
	snprintf(field, sizeof(field), "turn:%u", number);
	const struct blob *text = side_get(&b->image->raw.side, field);
	if (record_read(text, &record) && record.of == element->hash) {
		apply_record(info, &record);
		info->revision = image_turn_revision(info->ino, element->hash, text);
	}
	record_done(&record);
}

static void add_turn(struct builder *b, struct image_file *file, size_t index)
{
	const struct element *element = b->image->raw.elements[index];
	const struct layout_turn *turn = &element->turn;
	const char *role = element->readable ? turn->role : "unreadable";
	uint32_t number = (uint32_t)index + 1;
	file->number = number;
	file->info = (struct file_info){
		.ino = image_turn_ino(b->place, number, role),
		.size = blob_size(turn->text),
		.mode = FILE_MODE,
		.uid = b->rules->uid,
		.gid = b->rules->gid,
	};
	name_turn_format(file->info.name, number, role);
	if (!element->readable)
		return; /* its revision stays NONE */
	if (turn->time_ns != LAYOUT_TIME_NONE)
		file->info.mtime_ns = file->info.ctime_ns = turn->time_ns;
	file->info.meta = blob_ref(turn->meta);
	file->info.revision = image_turn_revision(file->info.ino, element->hash, NULL);
	apply_turn_record(b, &file->info, number, element);
}

/* False: the record cannot be one of ours. */
static bool add_attachment(
	struct builder *b, struct image_file *file, const char *name, const struct blob *text)
{
	struct record record;
	if (name_file_check(name) < 0 || name_turn_parse(name, NULL, NULL) ||
		!record_read(text, &record))
		return false;
	file->content = record.ino;
	file->info = (struct file_info){
		.ino = record.ino,
		.revision = builder_revision(record.revision),
		.size = record.size,
		.mode = FILE_MODE,
		.uid = b->rules->uid,
		.gid = b->rules->gid,
	};
	snprintf(file->info.name, sizeof(file->info.name), "%s", name);
	apply_record(&file->info, &record);
	record_done(&record);
	return file->info.ino > 1 && file->info.ino < UINT64_C(1) << 60;
}

static int compare_names(const void *a, const void *b)
{
	const struct image_file *one = a, *other = b;
	return strcmp(one->info.name, other->info.name);
}

static void count_file(struct builder *b, const struct image_file *file)
{
	struct thread_info *info = &b->image->info;
	info->bytes += file->info.size;
	info->turns += file->number ? 1 : 0;
	info->files++;
	if (file->info.mtime_ns > b->last_ns)
		b->last_ns = file->info.mtime_ns;
	b->image->memory += sizeof(*file) + blob_size(file->info.meta);
}

int builder_files(struct builder *b)
{
	struct image *image = b->image;
	struct raw *raw = &image->raw;
	image->files = calloc(raw->count + raw->side.count + 1, sizeof(*image->files));
	if (!image->files)
		return -ENOMEM;
	for (size_t i = 0; i < raw->count; i++) {
		add_turn(b, &image->files[image->file_count++], i);
		image->memory += 2 * blob_size(raw->elements[i]->bytes) + sizeof(struct element);
	}
	for (size_t i = 0; i < raw->side.count; i++) {
		const struct side_field *field = &raw->side.items[i];
		struct image_file *file = &image->files[image->file_count];
		const char *name = side_name_after(field, "file:");
		image->memory += blob_size(field->name) + blob_size(field->value) + 64;
		if (name && add_attachment(b, file, name, field->value))
			image->file_count++;
	}
	for (size_t i = 0; i < image->file_count; i++)
		count_file(b, &image->files[i]);
	qsort(image->files, image->file_count, sizeof(*image->files), compare_names);
	return 0;
}

static int compare_identities(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
	return one < other ? -1 : one > other;
}

/* What makes each turn the same one however it is spelled, sorted. NULL: out of memory. */
static uint64_t *identities_of(const struct raw *raw)
{
	uint64_t *identities = calloc(raw->count + 1, sizeof(*identities));
	for (size_t i = 0; identities && i < raw->count; i++)
		identities[i] = raw->elements[i]->identity;
	if (identities)
		qsort(identities, raw->count, sizeof(*identities), compare_identities);
	return identities;
}

static int compare_lost(const void *a, const void *b)
{
	const struct lost_element *one = a, *other = b;
	if (one->number != other->number)
		return one->number < other->number ? -1 : 1;
	return strcmp(one->field, other->field);
}

/* A field that tells of a turn of ours which is not among the elements. */
static void add_if_lost(
	struct image *image, const struct side_field *field, const uint64_t *identities)
{
	const char *text = side_name_after(field, "ours:");
	if (!text || strlen(text) != 16)
		return;
	uint64_t identity = strtoull(text, NULL, 16);
	unsigned long number = strtoul(blob_data(field->value), NULL, 10);
	if (number == 0 || number > STORE_TURN_MAX ||
		bsearch(&identity, identities, image->raw.count, sizeof(identity),
			compare_identities))
		return;
	struct lost_element *lost = &image->lost[image->lost_count++];
	lost->number = (uint32_t)number;
	snprintf(lost->field, sizeof(lost->field), "ours:%s", text);
}

/* The fields tell which turns turnfs wrote, by what makes them the same, and which they were. */
int builder_lost(struct builder *b)
{
	struct image *image = b->image;
	const struct side_map *side = &image->raw.side;
	if (b->rules->layout->kind != LAYOUT_VALUE)
		return 0;
	for (size_t i = 0; i < side->count; i++)
		image->ours_count += side_name_after(&side->items[i], "ours:") ? 1 : 0;
	if (image->ours_count == 0)
		return 0;
	CLEAN_FREE uint64_t *identities = identities_of(&image->raw);
	image->lost = calloc(image->ours_count, sizeof(*image->lost));
	if (!image->lost || !identities)
		return -ENOMEM;
	for (size_t i = 0; i < side->count; i++)
		add_if_lost(image, &side->items[i], identities);
	if (image->lost_count)
		qsort(image->lost, image->lost_count, sizeof(*image->lost), compare_lost);
	return 0;
}
