// SPDX-License-Identifier: GPL-3.0-or-later

package suite

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// busy is the CPU time spent until a moment, by everybody and by the benchmark.
type busy struct {
	at        time.Time
	all, ours time.Duration
}

func readBusy() busy {
	return busy{at: time.Now(), all: machineTime(), ours: rusage(unix.RUSAGE_SELF) + rusage(unix.RUSAGE_CHILDREN)}
}

// since gives the time between two readings, and how many cores others used in it. Agents count when they
// have ended.
func (b busy) since(later busy) (seconds, others float64) {
	seconds = later.at.Sub(b.at).Seconds()
	spent := (later.all - b.all) - (later.ours - b.ours)
	return seconds, max(0, spent.Seconds()/seconds)
}

// clockTick is the unit of /proc/stat, USER_HZ: the same on every platform that Go knows.
const clockTick = time.Second / 100

// machineTime sums the first line of /proc/stat but for idle and waiting (proc_stat(5)); guests are in user.
func machineTime() time.Duration {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	fields := strings.Fields(line)
	const user, idle, wait, steal = 1, 4, 5, 8
	if err != nil || len(fields) <= steal {
		return 0
	}
	var ticks int64
	for i := user; i <= steal; i++ {
		if i == idle || i == wait {
			continue
		}
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

func rusage(who int) time.Duration {
	var use unix.Rusage
	if unix.Getrusage(who, &use) != nil {
		return 0
	}
	return time.Duration(unix.TimevalToNsec(use.Utime) + unix.TimevalToNsec(use.Stime))
}
