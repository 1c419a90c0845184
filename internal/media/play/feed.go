// SPDX-License-Identifier: GPL-3.0-or-later

package play

import (
	"errors"

	"p2plive/internal/live"
	"p2plive/internal/wire"
)

// ErrTooMany is returned to a player for which there is no place any more.
var ErrTooMany = errors.New("too many players of this stream")

// Feed is a live stream as a player sees it. A Hub is one.
type Feed interface {
	// Subscribe starts reading at the newest key frame. The caller closes
	// the subscription.
	Subscribe() (*Subscription, error)
}

// Kind says what an Item is.
type Kind uint8

// Kinds of items.
const (
	// KindCatalog brings the catalog that the following fragments belong to.
	// It comes first, and again with every change.
	KindCatalog Kind = 1 + iota
	// KindFragment brings the next fragment of a track.
	KindFragment
	// KindMissed says that a fragment will not come.
	KindMissed
	// KindSkipped says that the reader was too slow and that the following
	// fragments start anew at the newest key frame.
	KindSkipped
)

// Item is one step of a stream.
type Item struct {
	Kind     Kind
	Catalog  *wire.Catalog  // of KindCatalog; shared, not to be changed
	Fragment *live.Fragment // of KindFragment; shared, not to be changed
	Track    wire.TrackID   // of KindMissed
	Seq      wire.Seq       // of KindMissed
}
