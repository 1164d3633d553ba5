/* Requests counted for .turnfs/metrics. */
#pragma once

#include <fuse_lowlevel.h>

/* The same operations, all of those that are measured being there, each counted. Before a session.
 */
struct fuse_lowlevel_ops counted(const struct fuse_lowlevel_ops *operations);
