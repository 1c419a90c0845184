// SPDX-License-Identifier: GPL-3.0-or-later

// Package portmap asks the home's router to forward a UDP port, by PCP (RFC 6887), NAT-PMP (RFC 6886) or UPnP, whichever
// the router speaks, keeps that up, and takes it back in the end. Whatever comes from the home's network is treated as
// hostile: a device there may claim to be a router.
package portmap
