// SPDX-License-Identifier: GPL-3.0-or-later

package udp

import "golang.org/x/sys/unix"

func (*mmsg) writesWhole() bool { return true }

// writeWhole sends it with IP_PMTUDISC_PROBE, ip(7) and ipv6(7): no fragmentation, whatever the system believes of the
// path from ICMP. The option is the socket's, so that nothing else may be written meanwhile.
func (w *writer) writeWhole(m Message) error {
	level, option, probe := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE
	if m.Addr.Addr().Is6() {
		level, option, probe = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	usual, err := w.swapOption(level, option, probe)
	if err != nil {
		return err
	}
	_, _, err = w.writeSome([]Message{m}, 1)
	if _, restored := w.swapOption(level, option, usual); err == nil {
		err = restored
	}
	return err
}

// swapOption sets an option of the socket and gives its value before.
func (w *writer) swapOption(level, option, value int) (before int, err error) {
	failed := w.raw.Control(func(fd uintptr) {
		if before, err = unix.GetsockoptInt(int(fd), level, option); err == nil {
			err = unix.SetsockoptInt(int(fd), level, option, value)
		}
	})
	if failed != nil {
		err = failed
	}
	return before, err
}
