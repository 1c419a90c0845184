// SPDX-License-Identifier: GPL-3.0-or-later

package nat

import "strings"

// Explain says in plain words what the result means for connections with others.
func (r Result) Explain() string {
	sentences := []string{r.verdict(), r.partners()}
	if r.Mapping == NotPortDependent || r.Filtering == NotPortDependent {
		sentences = append(sentences, "The server has a single address, so what depends on the other side's address alone was not told apart.")
	}
	if r.Type != TypeOpen && r.Type != TypeFirewall {
		switch r.Hairpin {
		case Yes:
			sentences = append(sentences, "Two viewers behind this NAT can also reach each other by its public address.")
		case No:
			sentences = append(sentences, "Two viewers behind this NAT reach each other only inside the local network, not by its public address.")
		}
	}
	return strings.Join(sentences, " ")
}

// local is whether nothing is translated on the way to a server that sees a private address.
func (r Result) local() bool {
	return (r.Type == TypeOpen || r.Type == TypeFirewall) && len(r.Public) > 0 && !public(r.Public[0].Addr())
}

// verdict says what there is.
func (r Result) verdict() string {
	switch {
	case r.Type == TypeOpen && r.local():
		return "Open, as seen from this server: no NAT and no firewall is on the way to it. It sees a private address, so this says nothing about hosts on the internet."
	case r.Type == TypeFirewall && r.local():
		return "Firewall, as seen from this server: no NAT is on the way to it, but only answers come in. It sees a private address, so this says nothing about hosts on the internet."
	}
	switch r.Type {
	case TypeOpen:
		return "Open: this host has a public address, and datagrams from anybody come in."
	case TypeFirewall:
		return "Firewall: this host has a public address, but only answers to what it has sent come in."
	case TypeNAT1:
		return "NAT1 (full cone): there is one public address and port for all destinations, and anybody may send to it."
	case TypeNAT2:
		if r.Filtering == NotPortDependent {
			return "NAT1 or NAT2 (full or address-restricted cone): there is one public address and port for all destinations, and at least the addresses that were sent to may send to it."
		}
		return "NAT2 (address-restricted cone): there is one public address and port for all destinations, and the addresses that were sent to may send to it."
	case TypeNAT3:
		return "NAT3 (port-restricted cone): there is one public address and port for all destinations, and exactly the addresses and ports that were sent to may send to it."
	case TypeNAT4:
		return "NAT4 (symmetric): each destination sees another public port, " + r.choice() + "."
	case TypeBlocked:
		return "Blocked: the server does not answer over UDP. A firewall on the way lets no UDP through, or the server's UDP port is closed."
	}
	if len(r.Public) == 0 {
		return "Unknown: the server has told nothing."
	}
	return "Unknown: the server tells the public address, but its answers do not suffice to tell how the NAT behaves."
}

// choice says how a symmetric NAT chooses ports.
func (r Result) choice() string {
	switch r.Allocation {
	case Preserving:
		return "the first one with the local port"
	case Sequential:
		return "one after the other, which can be predicted"
	case Random:
		return "chosen at random"
	}
	return "chosen in a way that was not found out"
}

// partners says with whom direct connections are possible.
func (r Result) partners() string {
	if r.local() {
		return "Direct connections work with hosts in the same network."
	}
	const edge = "otherwise the stream comes from an edge"
	switch r.Type {
	case TypeOpen:
		return "Direct connections work with everybody whose network lets UDP through."
	case TypeNAT1:
		return "Direct connections work with everybody whose network lets UDP through, once a mapping exists."
	case TypeNAT2:
		return "Direct connections work with everybody whose network lets UDP through, if both sides begin at the same time (hole punching)."
	case TypeFirewall, TypeNAT3:
		return "Direct connections work with open hosts, firewalls and NAT1 to NAT3 by hole punching. With NAT4 they work where its ports can be predicted, or after some seconds of trying; " + edge + "."
	case TypeNAT4:
		if r.Allocation == Random || r.Allocation == AllocationUnknown {
			return "Direct connections work with open hosts, NAT1 and NAT2. With firewalls and NAT3 they may take some seconds of trying, with NAT4 they do not work; " + edge + "."
		}
		return "Direct connections work with open hosts, NAT1 and NAT2, mostly with firewalls and NAT3, and with NAT4 only if both are predictable; " + edge + "."
	case TypeBlocked:
		return "No direct connection is possible."
	}
	return "Which direct connections are possible shows when they are tried."
}
