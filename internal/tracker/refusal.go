// SPDX-License-Identifier: GPL-3.0-or-later

package tracker

import (
	"fmt"
	"time"

	"p2plive/internal/signal/signalpb"
)

// refusal is an error that a peer is told of in plain words.
type refusal struct {
	code  signalpb.Code
	text  string
	hint  string
	again bool          // the peer may try again as it is
	after time.Duration // not sooner; 0: as it likes
}

func (r *refusal) Error() string { return r.text }

func (r *refusal) message() *signalpb.ServerMessage {
	return &signalpb.ServerMessage{Body: &signalpb.ServerMessage_Error{Error: &signalpb.Error{
		Code: r.code, Text: r.text, Hint: r.hint, Fatal: !r.again, RetryAfterS: uint32(r.after / time.Second),
	}}}
}

var (
	refuseFull = &refusal{
		code: signalpb.Code_CODE_FULL, text: "the tracker is full", again: true,
	}
	refuseCrowd = &refusal{
		code: signalpb.Code_CODE_STREAM_FULL, text: "the stream is full, and so is its queue", again: true, after: retryFull,
	}
	refuseStopping = &refusal{
		code: signalpb.Code_CODE_FULL, text: "the tracker is stopping", again: true,
	}
	refuseRate = &refusal{
		code: signalpb.Code_CODE_RATE_LIMITED, text: "too many messages", again: true,
	}
	refuseReplaced = &refusal{
		code: signalpb.Code_CODE_REPLACED,
		text: "another program with the same key has connected to the tracker",
		hint: "each running program needs a key file of its own",
	}
	refuseVersion = &refusal{
		code: signalpb.Code_CODE_BAD_VERSION,
		text: "the tracker speaks another protocol version", hint: "update the older of the two",
	}
	refuseIdentity = &refusal{
		code: signalpb.Code_CODE_BAD_IDENTITY, text: "the peer does not prove its id",
	}
	refuseSignature = &refusal{
		code: signalpb.Code_CODE_BAD_SIGNATURE, text: "the source does not prove that the stream is its own",
	}
	refuseEdgeKey = &refusal{
		code: signalpb.Code_CODE_WRONG_EDGE_KEY,
		text: "wrong edge key", hint: "ask the tracker's operator for the file to give with --edge-key-file",
	}
	refusePublishKey = &refusal{
		code: signalpb.Code_CODE_WRONG_PUBLISH_KEY,
		text: "wrong publish key", hint: "ask the tracker's operator for the file to give with --publish-key-file",
	}
)

func refuseMessage(why string) *refusal {
	return &refusal{code: signalpb.Code_CODE_BAD_MESSAGE, text: "the tracker does not understand: " + why}
}

func refuseName(name string) *refusal {
	return &refusal{
		code: signalpb.Code_CODE_NAME_TAKEN,
		text: fmt.Sprintf("stream name %q is already live by another key", name),
		hint: fmt.Sprintf("take another name, or wait: it is free %.0f s after its source has gone", holdName.Seconds()),
	}
}
