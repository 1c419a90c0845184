// SPDX-License-Identifier: GPL-3.0-or-later

package signal

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"p2plive/internal/wire"
)

const linkExample = "http://tracker.example:7000/s/my-stream"

// ErrBadLink is matched by every error of ParseLink.
var ErrBadLink = errors.New("bad link")

// ErrBadName is matched by every error of CheckName.
var ErrBadName = errors.New("bad stream name")

// MaxNameLen bounds a stream name: it has to fit in a link that people read
// aloud, and in the tracker's tables.
const MaxNameLen = 64

// Link builds the address of a stream's page, which is also what `watch` takes.
func Link(trackerURL, nameOrID string) string {
	return strings.TrimRight(trackerURL, "/") + "/s/" + nameOrID
}

// ParseLink takes a link apart: "http://host:7000/s/NAME" gives
// "http://host:7000" and "name". Query and fragment are ignored. Errors match
// ErrBadLink and show an example.
func ParseLink(link string) (trackerURL, nameOrID string, err error) {
	u, err := parseHTTPURL(link)
	if err != nil {
		return "", "", badLink(link, err.Error())
	}
	name, ok := strings.CutPrefix(u.Path, "/s/")
	name = strings.TrimSuffix(name, "/")
	if !ok || name == "" {
		return "", "", badLink(link, "there is no /s/NAME in it")
	}
	nameOrID, err = CanonicalStream(name)
	if err != nil {
		return "", "", badLink(link, err.Error())
	}
	return u.Scheme + "://" + u.Host, nameOrID, nil
}

func badLink(link, why string) error {
	return fmt.Errorf("%w %q: %s; a link looks like %s", ErrBadLink, link, why, linkExample)
}

// ParseTrackerURL checks the address of a tracker and returns it without a
// path: "http://host:7000".
func ParseTrackerURL(s string) (string, error) {
	u, err := parseHTTPURL(s)
	if err == nil && strings.Trim(u.Path, "/") != "" {
		err = errors.New("it must have no path")
	}
	if err != nil {
		return "", fmt.Errorf("bad tracker address %q: %w; it looks like http://tracker.example:7000", s, err)
	}
	return u.Scheme + "://" + u.Host, nil
}

func parseHTTPURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it must begin with http:// or https://")
	}
	if u.Hostname() == "" {
		return nil, errors.New("there is no host in it")
	}
	if u.User != nil {
		return nil, errors.New("it must have no user name in it")
	}
	return u, nil
}

// CanonicalStream brings what a user calls a stream, its name or its id, into
// lower case, or says what is wrong with it.
func CanonicalStream(nameOrID string) (string, error) {
	s := strings.ToLower(nameOrID)
	if isStreamID(s) {
		return s, nil
	}
	return s, CheckName(s)
}

// ValidName says that a lower-case stream name is valid; see CheckName.
func ValidName(name string) bool { return CheckName(name) == nil }

// CheckName says what is wrong with a stream name. A name has 1 to 64
// characters of a-z, 0-9, '-', '_' and '.', begins with a letter or digit, and
// is not the text form of a stream id. Callers lower its case first.
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameLen {
		return fmt.Errorf("%w: it must have 1 to %d characters", ErrBadName, MaxNameLen)
	}
	for i := range len(name) {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && c != '-' && c != '_' && c != '.' {
			return fmt.Errorf("%w %q: only a-z, 0-9, '-', '_' and '.' may be in it", ErrBadName, name)
		}
		// "." and ".." would vanish from a URL, and "-x" looks like a flag.
		if i == 0 && !alnum {
			return fmt.Errorf("%w %q: it must begin with a letter or digit", ErrBadName, name)
		}
	}
	if isStreamID(name) {
		return fmt.Errorf("%w: it looks like a stream id", ErrBadName)
	}
	return nil
}

// isStreamID accepts the one spelling that String gives: the decoder would take
// line breaks and odd trailing bits too.
func isStreamID(s string) bool {
	id, err := wire.ParseStreamID(s)
	return err == nil && id.String() == s
}
