// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const (
	envPrefix  = "P2PLIVE_"
	configFlag = "config"
)

// settings gives the flags that are not on the command line their values from
// the environment, else from the configuration file.
type settings struct {
	env      map[string]string
	fromFile map[*kong.Flag]fileValue
}

// addSettings makes environment ("NAME=value") and configuration file answer
// for flags that are not on the command line. It checks all of both, the parts
// of other commands too.
func addSettings(kctx *kong.Context, environ []string) error {
	s := &settings{env: ownVariables(environ)}
	if err := checkVariables(s.env, kctx.Model.Node); err != nil {
		return err
	}
	path, err := s.configPath(kctx)
	if err != nil {
		return err
	}
	if path != "" {
		if s.fromFile, err = readConfig(path, kctx.Model.Node); err != nil {
			return err
		}
	}
	kctx.AddResolver(s)
	return nil
}

// configPath returns the value of --config or its variable. That flag is needed
// before the others can be resolved.
func (s *settings) configPath(kctx *kong.Context) (string, error) {
	for _, flag := range kctx.Model.Flags {
		if flag.Name != configFlag {
			continue
		}
		if path, _ := kctx.FlagValue(flag).(string); path != "" {
			return path, nil
		}
		return s.env[envName(flag.Name)], nil
	}
	return "", fmt.Errorf("no flag --%s in the grammar", configFlag)
}

// Validate implements kong.Resolver. The file was checked when it was read.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: it returns the text of a flag's value, or
// nil where neither environment nor file has one. An empty variable counts as
// not set: that is how compose files and units pass "nothing".
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Name == "help" {
		return nil, nil
	}
	text, origin := "", ""
	if env := s.env[envName(flag.Name)]; env != "" {
		text, origin = env, "environment "+envName(flag.Name)
	} else if v, ok := s.fromFile[flag]; ok {
		text, origin = v.text, v.where
	} else {
		return nil, nil
	}
	// Kong would name the flag but not where its value comes from.
	scratch := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scanValue(text)}, scratch); err != nil {
		return nil, usageErrorf("%s: --%s: %w", origin, flag.Name, err)
	}
	return text, nil
}

func scanValue(text string) *kong.Scanner {
	return kong.Scan().PushTyped(text, kong.FlagValueToken)
}

// envName returns the environment variable of a flag. A flag that several
// commands have, such as --http, has the same variable for all of them.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// ownVariables returns the variables that begin with the program's prefix.
func ownVariables(environ []string) map[string]string {
	own := make(map[string]string)
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, envPrefix) {
			own[name] = value
		}
	}
	return own
}

// checkVariables refuses a variable that no flag of any command has: a value
// that is misspelt would otherwise be one that is not set, unnoticed.
func checkVariables(env map[string]string, model *kong.Node) error {
	known := make(map[string]bool)
	addEnvNames(known, model)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name] != "" && !known[name] {
			return usageErrorf("environment %s: there is no such flag; unset it", name)
		}
	}
	return nil
}

func addEnvNames(known map[string]bool, node *kong.Node) {
	for _, flag := range node.Flags {
		known[envName(flag.Name)] = flag.Name != "help"
	}
	for _, child := range node.Children {
		addEnvNames(known, child)
	}
}
