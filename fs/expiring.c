/* .turnfs/expiring: the threads whose deadline is near, one line each (T8). */
#include "view.h"

#include "control.h"

#include "base/text.h"

#include <string.h>

enum { PAGE = 1000 };

static bool is_near(struct fs *fs, const struct thread_info *info)
{
	return info->deadline_ms != STORE_DEADLINE_NEVER &&
	       info->deadline_ms - store_now_ms(fs->store) <= fs->options->warn_ms;
}

static int expiring_find(struct fs *fs, const struct node *dir, const char *name, struct node **ret)
{
	struct thread_info info;
	int rc = store_thread_find(fs->store, name, &info);
	if (rc < 0)
		return rc;
	return is_near(fs, &info) ? view_file(fs, dir->view, name, ret) : -ENOENT;
}

static int expiring_list(struct fs *fs, const struct node *dir, struct view_list *ret)
{
	uint64_t after = 0;
	for (bool more = true; more;) {
		struct thread_page page;
		int rc = store_thread_list(fs->store, THREAD_LIVE, after, PAGE, &page);
		if (rc < 0)
			return rc;
		for (size_t i = 0; i < page.count && !rc; i++)
			if (is_near(fs, &page.items[i]))
				rc = view_list_add(ret, page.items[i].id, page.items[i].gen, false);
		more = page.more && page.count;
		if (page.count)
			after = page.items[page.count - 1].gen;
		thread_page_done(&page);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int expiring_text(struct fs *fs, const struct node *node, struct blob **ret)
{
	struct thread_info info;
	int rc = store_thread_find(fs->store, node->name, &info);
	if (rc < 0)
		return rc;
	char time[TEXT_TIME_MAX], left[TEXT_TIME_MAX];
	int64_t left_ms = info.deadline_ms - store_now_ms(fs->store);
	text_time_s(info.deadline_ms * 1000000, time);
	text_span_rough(left_ms, left);
	return control_printed(ret, "%s expires at %s, in %s; to keep it: touch %s\n", info.id,
		time, left, info.id);
}

const struct view view_expiring = {
	.name = "expiring",
	.find = expiring_find,
	.list = expiring_list,
	.text = expiring_text,
};
