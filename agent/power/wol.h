/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The magic packet of Wake-on-LAN. */
#ifndef DROVER_POWER_WOL_H
#define DROVER_POWER_WOL_H

#include <stdint.h>

#define DROVER_WOL_PACKET_LEN 102

/**
 * drover_wol_packet() - six bytes 0xff, then the card's address 16 times
 *
 * As in AMD's "Magic Packet Technology", publication 20213.
 */
void drover_wol_packet(const uint8_t mac[static 6],
		       uint8_t ret_packet[static DROVER_WOL_PACKET_LEN]);

#endif
