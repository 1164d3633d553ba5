/* Base64 as RFC 4648 has it, section 4: for bytes that JSON cannot say. */
#pragma once

#include "base/blob.h"

/* The text, padded, in one line. NULL: out of memory. */
struct blob *base64_encode(const char *data, size_t size);

/* The bytes. NULL: not exactly what base64_encode() makes, or out of memory. */
struct blob *base64_decode(const char *text, size_t size);
