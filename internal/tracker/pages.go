// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"net/http"

	"p2plive/internal/webui"
)

// addPages mounts the pages for people: the list of live streams and the watch
// page of each.
func addPages(mux *http.ServeMux) {
	mux.Handle("GET /{$}", webui.TrackerIndex())
	mux.Handle("GET /s/{name}", webui.TrackerWatch())
	mux.Handle("GET /assets/", webui.Assets())
}
