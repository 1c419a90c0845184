// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"p2plive/internal/source"
)

type sourceCmd struct {
	Tracker        trackerURL `help:"Address of the tracker, like http://tracker.example:7000." required:"" placeholder:"URL"`
	Name           streamName `help:"Name of the stream, the last part of its link." required:"" placeholder:"NAME"`
	Input          inputSpec  `help:"What to send: rtmp://HOST:PORT waits for OBS or ffmpeg, FILE loops an MP4 file, - reads MPEG-TS from standard input, demo is the built-in test picture." default:"rtmp://:1935"`
	HTTP           listenAddr `name:"http" help:"HTTP address of the local page: a preview of what is sent." default:"127.0.0.1:7080"`
	PublishKeyFile string     `help:"File with the publish key that the tracker asks for." placeholder:"FILE"`
	StreamKeyFile  string     `help:"File with the key that makes the stream yours: with it the name and id stay the same after a restart. Made when there is none. Default: one for each name in your configuration directory." placeholder:"FILE"`
	Title          string     `help:"Name of the stream for people; else --name." placeholder:"TEXT"`
	UDP            listenAddr `name:"udp" help:"UDP address for the sessions with edges; port 0 is any." default:":0"`
}

func (sourceCmd) Help() string {
	return `A source takes a live stream, cuts it into signed pieces and sends one copy to an edge. It prints the link to share.

Examples:

    p2plive source --tracker http://tracker.example:7000 --name my-radio
    ffmpeg -re -i film.mp4 -c copy -f flv rtmp://127.0.0.1:1935/live/my-radio

    p2plive source --tracker http://tracker.example:7000 --name film --input film.mp4
    ffmpeg -re -i film.mp4 -c copy -f mpegts - | p2plive source --tracker http://tracker.example:7000 --name film --input -`
}

// Run sends until ctx ends or the input does.
func (c *sourceCmd) Run(ctx context.Context, w *world) error {
	cfg := source.Config{
		Tracker:       string(c.Tracker),
		Name:          string(c.Name),
		Title:         c.Title,
		Input:         string(c.Input),
		HTTP:          string(c.HTTP),
		UDP:           string(c.UDP),
		StreamKeyFile: c.StreamKeyFile,
		Stdin:         w.stdin,
		Logger:        w.log,
	}
	var err error
	if cfg.PublishKey, err = readKeyFile(c.PublishKeyFile, w.log); err != nil {
		return err
	}
	if cfg.StreamKeyFile == "" {
		if cfg.StreamKeyFile, err = defaultStreamKeyFile(cfg.Name); err != nil {
			return err
		}
	}
	s, err := source.New(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "link to share: %s\n", s.Link())
	return s.Serve(ctx)
}

// defaultStreamKeyFile is where a stream's key is kept when no flag says
// otherwise. Without a key a source that starts again would be a stranger, and
// its own name taken.
func defaultStreamKeyFile(name string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep the stream's key: %w; name a file with --stream-key-file", err)
	}
	return filepath.Join(dir, "p2plive", "streams", name+".key"), nil
}

// inputSpec is a flag for what a source sends.
type inputSpec string

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *inputSpec) UnmarshalText(text []byte) error {
	*s = inputSpec(text)
	if scheme, _, ok := strings.Cut(string(text), "://"); ok {
		u, err := url.Parse(string(text))
		if err != nil || scheme != "rtmp" || u.User != nil {
			return fmt.Errorf("%q is no input: write rtmp://HOST:PORT, FILE, - or demo", text)
		}
		if err := checkHostPort(u.Host, 0); err != nil {
			return fmt.Errorf("%q is not an address to wait on: %w; write rtmp://HOST:PORT, or rtmp://:1935 for all interfaces", text, err)
		}
	}
	if len(text) == 0 {
		return fmt.Errorf("it is empty: write rtmp://HOST:PORT, FILE, - or demo")
	}
	return nil
}
