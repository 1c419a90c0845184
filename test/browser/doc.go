// SPDX-License-Identifier: GPL-3.0-or-later

// Package browser tests the pages in a real Chromium.
package browser
