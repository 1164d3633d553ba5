/* .turnfs/ledger.jsonl: the store's lines, those it refused, and those this machine remembers. */
#include "ledger.h"
#include "ledger_copy.h"

#include "base/json.h"
#include "base/text.h"

#include <stdlib.h>

enum { PAGE = 1000 };

static const char *cause_word(enum ledger_cause cause)
{
	switch (cause) {
	case LEDGER_EXPIRED:
		return "expired";
	case LEDGER_DELETED:
		return "deleted";
	case LEDGER_RENAMED:
		return "renamed";
	case LEDGER_RESTORED:
		return "restored";
	case LEDGER_PURGED:
		return "erased";
	case LEDGER_LOST:
		return "lost";
	default:
		return "unknown";
	}
}

/* Appends one line of JSON. 0 or -ENOMEM. */
static int line_print(struct blob **text, const struct ledger_entry *line)
{
	char time[TEXT_TIME_MAX], deadline[TEXT_TIME_MAX];
	bool expired = line->cause == LEDGER_EXPIRED || line->cause == LEDGER_PURGED;
	bool never = !expired || line->deadline_ms == STORE_DEADLINE_NEVER;
	bool forever = line->ttl_ms == STORE_TTL_NEVER;
	if (line->cause == LEDGER_BEGAN)
		return 0;
	text_time_ns(line->time_ms * 1000000, time);
	if (!never)
		text_time_ns(line->deadline_ms * 1000000, deadline);
	json_begin();
	json_auto_t *object = json_pack("{s:s, s:s, s:s, s:I, s:o, s:s?, s:s?}", "time", time, "id",
		line->id, "cause", cause_word(line->cause), "turns", (json_int_t)line->turns,
		"ttl_seconds", forever ? json_null() : json_real((double)line->ttl_ms / 1000),
		"expired_at", never ? NULL : deadline, "detail",
		line->detail[0] ? line->detail : NULL);
	if (!forever && line->ttl_ms % 1000 == 0)
		json_object_set_new(object, "ttl_seconds", json_integer(line->ttl_ms / 1000));
	CLEAN_BLOB struct blob *json = json_text(object, 0);
	if (!json)
		return -ENOMEM;
	int rc = blob_write(text, blob_size(*text), blob_data(json), blob_size(json));
	return rc < 0 ? rc : blob_write(text, blob_size(*text), "\n", 1);
}

/* The store's own lines, to see which of this machine's are missing there. */
struct hashes {
	uint64_t *items;
	size_t count, capacity;
};

static int hash_compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;
	return (*one > *other) - (*one < *other);
}

static int hash_add(struct hashes *hashes, const struct ledger_entry *line)
{
	if (hashes->count == hashes->capacity) {
		size_t more = hashes->capacity ? 2 * hashes->capacity : 64;
		uint64_t *items = reallocarray(hashes->items, more, sizeof *items);
		if (!items)
			return -ENOMEM;
		hashes->items = items;
		hashes->capacity = more;
	}
	hashes->items[hashes->count++] = ledger_copy_hash(line);
	return 0;
}

/* R4: what this machine remembers, and the store perhaps no longer. */
static int copy_print(struct fs *fs, struct blob **text, struct hashes *known)
{
	struct ledger_entry *lines;
	size_t count = ledger_copy_read(fs->options->ledger_copy, &lines);
	int rc = 0;
	if (known->count)
		qsort(known->items, known->count, sizeof *known->items, hash_compare);
	for (size_t i = 0; i < count && !rc; i++) {
		uint64_t hash = ledger_copy_hash(&lines[i]);
		if (!known->count ||
			!bsearch(&hash, known->items, known->count, sizeof hash, hash_compare))
			rc = line_print(text, &lines[i]);
	}
	free(lines);
	return rc;
}

int ledger_text(struct fs *fs, struct blob **ret)
{
	struct blob *text = blob_new("", 0);
	struct ledger_entry *refused;
	struct hashes known = {0};
	uint64_t after = 0;
	int rc = text ? 0 : -ENOMEM;
	ledger_settle(fs);
	for (bool more = true; more && !rc;) {
		struct ledger_page page;
		rc = store_ledger_list(fs->store, after, PAGE, &page);
		if (rc < 0)
			break;
		for (size_t i = 0; i < page.count && !rc; i++) {
			rc = line_print(&text, &page.items[i]);
			if (!rc && fs->options->ledger_copy)
				rc = hash_add(&known, &page.items[i]);
		}
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].seq;
		ledger_page_done(&page);
	}
	size_t count = ledger_refused(fs, &refused);
	for (size_t i = 0; i < count && !rc; i++)
		rc = line_print(&text, &refused[i]);
	free(refused);
	if (!rc)
		rc = copy_print(fs, &text, &known);
	free(known.items);
	if (rc < 0)
		blob_unref(text);
	else
		*ret = text;
	return rc;
}
