/*
 * Requests that libfuse refused by itself, for lack of memory: nobody else hears of them. Who
 * cannot tell what was meant without having heard of all of them (a file that was cut and never
 * written, W4) looks whether there were any.
 */
#pragma once

/*
 * From now on what libfuse says goes to our log: complaints, which are counted, and with -d each
 * request and its outcome, of which libfuse tells numbers and no content.
 */
void refusals_watch(void);

/* How many complaints there were: that is more than requests refused, never less. */
unsigned refusals_count(void);
