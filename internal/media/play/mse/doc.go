// SPDX-License-Identifier: GPL-3.0-or-later

// Package mse feeds the player page: catalog, init segments and fragments of
// a stream over a WebSocket, ready for the browser's Media Source Extensions.
package mse
