// SPDX-License-Identifier: GPL-3.0-or-later

// Package sim runs many thousands of the swarm's machines in virtual time:
// modelled links, churn and faults. It uses all cores and takes all chance from
// one seed, so a run can be repeated bit for bit, on any number of cores.
package sim
