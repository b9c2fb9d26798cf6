/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What an answer says, as text. */
#ifndef DNSFLOW_RECORD_RDATA_H
#define DNSFLOW_RECORD_RDATA_H

#include <stddef.h>
#include <stdint.h>

/* Presentation form (RFC 1035, 3597, 9460 and those of the types) of rdata whose names are uncompressed: one line of
 * bytes from 0x20 to 0x7e. Names stand as dnsflow_name_text writes them, so without a dot at the end; hex is in upper
 * case; neither hex nor base64 is broken by spaces. Rdata that has not the form of its type, and that of types not
 * known here, is written as \# LENGTH HEX. Whether values make sense, such as digests of a wrong length, is not looked
 * at. At most `size` bytes, the NUL included. What does not fit ends with "...", as no whole text does, and is cut
 * neither inside a number, a word or an address, nor inside what stands for a byte. Below 4 bytes there are only as
 * many dots as fit, and with 0 nothing is written. Returns the length of the text. */
size_t rdata_text(uint16_t type, const uint8_t *rdata, size_t len, char *text, size_t size);

/* Brings the names in the rdata, which are uncompressed, to lower case, so that what DNS takes for the same is. */
void rdata_lower_names(uint16_t type, uint8_t *rdata, size_t len);

#endif
