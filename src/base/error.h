/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What went wrong in the environment, as one line that names the thing, the cause and what to do.
 * A function that can fail so returns -1 and fills the caller's struct error; the program decides what follows.
 * Bad input from the network is not an error: it is an enum drop_reason (base/drops.h). */
#ifndef DNSFLOW_BASE_ERROR_H
#define DNSFLOW_BASE_ERROR_H

struct error {
    char text[512];
};

/* For functions that tell by their result alone whether they have done their work. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Fills `err` (which may be NULL) and returns -1, so that a caller can write `return error_set(err, ...)`. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and the text of errno behind it. */
int error_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
