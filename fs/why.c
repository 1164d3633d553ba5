/* .turnfs/why: answers to any id a thread could have, and lists nothing (R3). */
#include "expired.h"
#include "ledger.h"
#include "ledger_copy.h"
#include "view.h"
#include "why_text.h"

#include "base/name.h"

#include <stdlib.h>

static int why_find(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	int rc = name_thread_check(name);
	if (rc < 0)
		return rc == -EINVAL ? -ENOENT : rc;
	return view_file(fs, dir->view, name, ret);
}

static int why_list(struct fs *fs, const struct node *dir, struct view_list *ret)
{
	return 0;
}

static int why_read(struct fs *fs, const struct node *node, struct blob **ret)
{
	struct ledger_entry *refused, *copy;
	struct why_context context = {
		.mountpoint = fs->start.mountpoint,
		.storage = fs->options->source,
		.ttl_ms = fs->options->ttl_ms,
		.grace_ms = fs->options->grace_ms,
		.start_ms = fs->start.ms,
	};
	struct thread_info info;
	bool live;
	ledger_settle(fs);
	int rc = store_thread_find(fs->store, node->name, &info);
	if (rc == -ENOENT ||
		rc == -EIO) /* what is live need not be looked for among the expired ones */
		rc = expired_gen(fs, node->name, &context.grace_gen);
	if (rc < 0)
		return rc;
	context.more_count = ledger_refused(fs, &refused);
	context.more = refused;
	context.copy_count = ledger_copy_read(fs->options->ledger_copy, &copy);
	context.copy = copy;
	rc = why_text(fs->store, node->name, &context, ret, &live);
	free(copy);
	free(refused);
	return rc;
}

const struct view view_why = {
	.name = "why",
	.find = why_find,
	.list = why_list,
	.text = why_read,
};
