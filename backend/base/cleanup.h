/* Scope cleanup: a local declared with one of these ends by itself when its scope does. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define CLEAN_FREE __attribute__((cleanup(cleanup_free)))
#define CLEAN_FILE __attribute__((cleanup(cleanup_fclose)))
#define CLEAN_FD __attribute__((cleanup(cleanup_close)))
