// SPDX-License-Identifier: GPL-3.0-or-later

// Package vnet runs a demo over a simulated network in virtual time: the same
// roles and sessions, on hosts whose lines have delay, loss and rates.
package vnet
