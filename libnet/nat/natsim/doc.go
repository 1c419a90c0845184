// SPDX-License-Identifier: GPL-3.0-or-later

// Package natsim runs two peers' and a tracker's hole punching, the very machines of package nat, over a simulated
// network with NATs, in virtual time: for tests and for the matrix that users can run.
package natsim
