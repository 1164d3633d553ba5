/* uthash, whose tables say that memory is short instead of ending the process: then the item that
 * was to be added has `unhashed` set, and is in no table. */
#pragma once

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(item) ((item)->unhashed = true)
#include <uthash.h>
