/* W8: what was written to a file that others have changed meanwhile is kept beside it. */
#pragma once

#include "fs.h"

/*
 * Keeps `content` as the attachment NAME.conflict-TIME, with the owner and mode of `info`, and says
 * so in the log; or that it is lost. From the pool.
 */
void conflict_keep(struct fs *fs, struct thread *thread, const char *name,
	const struct file_info *info, struct blob *content);
