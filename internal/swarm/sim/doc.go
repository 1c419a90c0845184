// SPDX-License-Identifier: GPL-3.0-or-later

// Package sim runs thousands of the swarm's machines in virtual time: an event
// queue, modelled links, churn and faults. It has no goroutines and takes all
// chance from one seed, so a run can be repeated bit for bit.
package sim
