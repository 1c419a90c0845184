// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain ignores the timer goroutines that kcp-go starts when it is imported.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreCurrent()) }
