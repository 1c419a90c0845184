// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import "net/http"

// addPages mounts the pages for people.
func addPages(*http.ServeMux) {}
