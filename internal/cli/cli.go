// SPDX-License-Identifier: GPL-3.0-or-later

// Package cli is the command line: it turns flags, environment and a
// configuration file into a role's Config, runs the role and says how it ended.
// It holds no logic of a role.
package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"p2plive/internal/demo/vnet"
	"p2plive/internal/swarm/sim"
)

// commandLine is the grammar. Each command has a file of its own.
type commandLine struct {
	Config    string `help:"Read flags from a YAML file: one key for each flag, those of a command under the command's name." placeholder:"FILE" group:"Global flags:"`
	LogLevel  string `help:"Least level that is logged to standard error: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" group:"Global flags:"`
	LogFormat string `help:"How log lines are written: text or json." enum:"text,json" default:"text" group:"Global flags:"`

	Demo    demoCmd    `cmd:"" help:"Show all of it in one process with a built-in test picture."`
	Tracker trackerCmd `cmd:"" help:"Bring peers together: who is in which stream, and how to reach them."`
	Edge    edgeCmd    `cmd:"" help:"Serve streams to their first viewers and rescue late pieces."`
	Source  sourceCmd  `cmd:"" help:"Send a live stream."`
	Watch   watchCmd   `cmd:"" help:"Watch a stream, and give it on to others."`
	NAT     natCmd     `cmd:"" name:"nat" help:"Tell how this network's NAT behaves, and with whom direct connections work."`
	Bench   benchCmd   `cmd:"" help:"Measure what the program can do."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// BeforeResolve is called by kong when the command line is parsed and missing
// flags have not been missed yet.
func (*commandLine) BeforeResolve(kctx *kong.Context) error {
	return addSettings(kctx, os.Environ())
}

const description = `Live broadcasts whose viewers carry them to each other.

Every flag can also be set in the environment (--upload-limit is P2PLIVE_UPLOAD_LIMIT) or in the file named by --config. A flag on the command line wins over the environment, the environment over the file.`

// world is what a command gets beside its flags.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger
}

// Main runs the program until it is done or told to stop by a signal, and
// returns the exit code of the process. An error is one line on stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := notifyContext(context.Background(), stderr, os.Exit)
	defer stop()
	err := Run(ctx, args, stdin, stdout, stderr)
	if err != nil {
		printError(stderr, err)
	}
	return ExitCode(err)
}

// Run runs one command line and returns when it is done or ctx is cancelled,
// which is no error. Use ExitCode to tell the kinds of errors apart.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("p2plive"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.Writers(stdout, stderr),
		helpVars(),
		kong.Exit(func(int) { helped = true }), // after --help; parsing goes on
	)
	if err != nil {
		return err // the grammar above is wrong: every test would fail
	}
	kctx, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return parseError(err)
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	kctx.Bind(&world{
		stdin:  stdin,
		stdout: stdout,
		stderr: stderr,
		log:    newLogger(stderr, line.LogLevel, line.LogFormat),
	})
	err = kctx.Run()
	if err != nil && ctx.Err() != nil && isCancellation(ctx, err) {
		return nil // told to stop, and stopped
	}
	return err
}

// helpVars are the names in help texts that other packages know.
func helpVars() kong.Vars {
	return kong.Vars{
		"scenarios": strings.Join(sim.Names(), ", "),
		"simnets":   strings.Join(vnet.Names(), " or "),
	}
}
