// SPDX-License-Identifier: GPL-3.0-or-later

// Package netns tests the built program behind the kernel's own NATs and
// firewalls: nftables in network namespaces. It has to run as root.
//
//	+--- home -----+        +--- router -----+        +--- internet ----------+
//	|              |        | nftables:      |        | tracker               |
//	| p2plive nat  |--------| NAT, firewall, |--------| 198.51.100.1          |
//	| turnutils_*  |        | or neither     |        | 198.51.100.2 if asked |
//	+--------------+        +----------------+        +-----------------------+
//	 192.168.7.2      192.168.7.1  198.51.100.10
//
// Without a NAT the home's network is 203.0.113.0/24.
package netns
