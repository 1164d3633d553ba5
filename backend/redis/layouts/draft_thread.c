/* The thread itself in a change: attributes, document, deadline; and times that nobody else keeps.
 */
#include "draft.h"

#include "rules.h"

#include "base/json.h"

#include <errno.h>
#include <string.h>

static void read_field(const struct draft *d, const char *field, struct record *ret)
{
	if (!record_read(side_get(&d->side, field), ret)) {
		record_done(ret);
		*ret = (struct record){0};
	}
}

static int set_attributes(struct draft *d, const struct thread_change *change)
{
	const unsigned any = SET_MODE | SET_OWNER | SET_CREATED;
	struct record record;
	if (!(change->set & any))
		return 0;
	read_field(d, "thread", &record);
	if (change->set & SET_MODE)
		record.mode = change->mode;
	if (change->set & SET_OWNER) {
		record.uid = change->uid;
		record.gid = change->gid;
	}
	if (change->set & SET_CREATED)
		record.created_ns = change->created_ns;
	record.set |= change->set & any;
	if (change->set & SET_CREATED && change->created_ns == d->image->info.created_ns)
		record.set &= ~(unsigned)SET_CREATED;
	int r = side_put_record(&d->side, "thread", &record);
	record_done(&record);
	return r;
}

/*
 * Members that the tool's own value has are written there, all of them if one differs; the rest is
 * kept beside it.
 */
static int split_doc(struct draft *d, json_t *root)
{
	json_t *own = json_object_get(root, "own");
	json_auto_t *theirs = d->image->raw.own ? json_parse(blob_data(d->image->raw.own),
							  blob_size(d->image->raw.own))
						: NULL;
	json_auto_t *set = json_object();
	bool differ = false;
	const char *key;
	json_t *there;
	json_object_foreach(theirs, key, there)
	{
		json_t *value = json_object_get(own, key);
		differ = differ || (value ? !json_equal(there, value) : !json_is_null(there));
		json_object_set(set, key, value);
		json_object_del(own, key);
	}
	if (d->s->max_turns)
		json_object_del(own, "max_turns");
	if (!differ)
		return 0;
	d->own = json_text(set, 0);
	return d->own ? 0 : -ENOMEM;
}

static int set_doc(struct draft *d, const struct thread_change *change)
{
	struct record record;
	if (!(change->set & SET_DOC))
		return 0;
	int r = rules_expect_doc(change->doc.expect, d->image->info.doc.revision);
	if (r < 0)
		return r;
	const struct blob *text = change->doc.text;
	json_auto_t *root = text ? json_parse(blob_data(text), blob_size(text)) : json_object();
	if (!json_is_object(root))
		return -EINVAL;
	r = split_doc(d, root);
	CLEAN_BLOB struct blob *rest = r == 0 ? json_text(root, 0) : NULL;
	if (r == 0)
		r = rest ? side_put_blob(&d->side, "doc:text", rest) : -ENOMEM;
	if (r < 0)
		return r;
	read_field(d, "doc", &record);
	record.flags = change->doc.flags;
	r = side_put_record(&d->side, "doc", &record);
	record_done(&record);
	return r;
}

static int set_doc_attributes(struct draft *d, const struct thread_change *change)
{
	struct record record;
	if (!(change->set & (SET_DOC_MODE | SET_DOC_OWNER)))
		return 0;
	read_field(d, "doc", &record);
	if (change->set & SET_DOC_MODE) {
		record.set |= SET_MODE;
		record.mode = change->doc.mode;
	}
	if (change->set & SET_DOC_OWNER) {
		record.set |= SET_OWNER;
		record.uid = change->doc.uid;
		record.gid = change->doc.gid;
	}
	int r = side_put_record(&d->side, "doc", &record);
	record_done(&record);
	return r;
}

/*
 * Turns that are added renew as the tool does, and so does a touch of the thread; an edit keeps the
 * time that is left, for a tool's own threads are not to live longer than it thinks.
 */
static bool is_touch(const struct draft *d, const struct thread_change *change, unsigned flags)
{
	bool files = d->content_count > 0;
	for (size_t i = 0; i < d->count; i++)
		files = files || d->turns[i].changed || d->turns[i].removed || d->turns[i].added;
	return change && !files && flags & STORE_RENEW && change->set & (SET_MTIME | SET_TTL) &&
	       !(change->set & (SET_MODE | SET_OWNER | SET_DOC));
}

static int set_deadline(
	struct draft *d, const struct thread_change *change, unsigned flags, bool appends)
{
	bool given = change && change->set & SET_TTL;
	int64_t ttl = given ? change->ttl_ms : d->image->info.ttl_ms;
	if (given && ttl <= 0 && ttl != STORE_TTL_NEVER)
		return -EINVAL;
	bool renews = given || (appends && d->s->layout->keeps_ttl) || is_touch(d, change, flags);
	if (!renews || (!given && ttl == STORE_TTL_NEVER))
		return 0;
	int64_t deadline = rules_deadline(layout_now(d->s), ttl);
	if (!given && deadline < d->life.deadline_ms)
		return 0;
	d->life.deadline_ms = deadline;
	d->life.ttl_ms = ttl;
	d->life.renews = true;
	return 0;
}

int draft_thread(struct draft *d, const struct thread_change *change, unsigned flags, bool appends)
{
	int r = 0;
	if (change) {
		d->wanted = *change;
		r = set_attributes(d, change);
		if (r == 0)
			r = set_doc(d, change);
		if (r == 0)
			r = set_doc_attributes(d, change);
	}
	return r < 0 ? r : set_deadline(d, change, flags, appends);
}

static bool differs(int64_t a, int64_t b)
{
	return a / 1000 != b / 1000; /* what tools keep of times */
}

/* The field's record with the times that are wanted, as long as the content is that of `image`. */
static int put_times(
	struct draft *d, const struct image *image, const char *field, bool set, int64_t mtime_ns)
{
	struct record record;
	read_field(d, field, &record);
	record.of = image->content;
	record.ctime_ns = d->time_ns;
	if (set) {
		record.set |= SET_MTIME;
		record.mtime_ns = mtime_ns;
	}
	int r = side_put_record(&d->side, field, &record);
	record_done(&record);
	return r;
}

/* The time to live, where what the tool keeps does not tell the one that is in force. */
static int put_ttl(struct draft *d)
{
	char text[48];
	snprintf(text, sizeof(text), "%lld %lld", (long long)d->life.ttl_ms,
		(long long)d->life.deadline_ms);
	return side_put_text(&d->side, "ttl", text);
}

int draft_records(struct draft *d, struct image **image)
{
	const struct thread_info *info = &(*image)->info;
	const struct thread_change *wanted = &d->wanted;
	bool mtime = wanted->set & SET_MTIME && differs(info->mtime_ns, wanted->mtime_ns);
	bool doc = wanted->set & SET_DOC_MTIME &&
		   differs(info->doc.mtime_ns, wanted->doc.mtime_ns) &&
		   !(mtime && wanted->doc.mtime_ns == wanted->mtime_ns);
	int r = 0;
	if (d->life.renews && d->life.ttl_ms != STORE_TTL_NEVER && info->ttl_ms != d->life.ttl_ms)
		r = put_ttl(d);
	if (r == 0 && (mtime || differs(info->ctime_ns, d->time_ns)))
		r = put_times(d, *image, "thread", mtime, wanted->mtime_ns);
	if (r == 0 && doc)
		r = put_times(d, *image, "doc", true, wanted->doc.mtime_ns);
	if (r < 0)
		return r;
	image_unref(*image);
	*image = NULL;
	return draft_image(d, image);
}
