// SPDX-License-Identifier: GPL-3.0-or-later

package file

import "time"

// slack is how much longer than asked one track may grow while another has
// not reached the end yet: audio comes in larger fragments than video, and a
// track that has gone silent must not keep the recording open.
const slack = time.Second
