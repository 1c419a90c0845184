// SPDX-License-Identifier: GPL-3.0-or-later

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// fileValue is a flag's value from a configuration file.
type fileValue struct {
	text  string // as it would be written on the command line
	where string // "file:line"
}

// readConfig reads the configuration file at path: a YAML mapping of flag names
// to values, those of a command in a mapping under the command's name. A key
// that is no flag of the program is an error, wherever it stands.
func readConfig(path string, model *kong.Node) (map[*kong.Flag]fileValue, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usageErrorf("--%s: %w", configFlag, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfigSize+1))
	if err != nil {
		return nil, usageErrorf("--%s: %w", configFlag, err)
	}
	return parseConfig(path, text, model)
}

// parseConfig does readConfig's work on the text; name stands for the file in
// errors.
func parseConfig(name string, text []byte, model *kong.Node) (map[*kong.Flag]fileValue, error) {
	if len(text) > maxConfigSize {
		return nil, usageErrorf("%s: larger than %d bytes: not a configuration file of p2plive", name, maxConfigSize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	} else if err != nil {
		return nil, usageErrorf("%s: %w", name, err)
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, usageErrorf("%s: more than one YAML document in the file", name)
	}
	c := configParser{name: name, values: make(map[*kong.Flag]fileValue)}
	if err := c.section(document.Content[0], model, ""); err != nil {
		return nil, err
	}
	return c.values, nil
}

type configParser struct {
	name   string
	values map[*kong.Flag]fileValue
}

// section reads a mapping whose keys are the flags and commands of model. Its
// depth is that of the grammar, whatever the file nests.
func (c *configParser) section(mapping *yaml.Node, model *kong.Node, prefix string) error {
	mapping = resolveAlias(mapping)
	if mapping.Kind == yaml.ScalarNode && mapping.Tag == "!!null" {
		return nil // a section with all its keys commented out
	}
	if mapping.Kind != yaml.MappingNode {
		if prefix == "" {
			return c.errorf(mapping, "expected `key: value` lines")
		}
		return c.errorf(mapping, "%s is a command: its flags belong below it, indented", strings.TrimSuffix(prefix, "."))
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], resolveAlias(mapping.Content[i+1])
		full := prefix + key.Value
		if seen[key.Value] {
			return c.errorf(key, "key %q stands there twice", full)
		}
		seen[key.Value] = true
		if flag := settableFlag(model, key.Value); flag != nil {
			text, err := c.flagText(value, flag, full)
			if err != nil {
				return err
			}
			c.values[flag] = fileValue{text, c.at(value)}
			continue
		}
		command := slices.IndexFunc(model.Children, func(n *kong.Node) bool { return n.Name == key.Value })
		if command < 0 {
			return c.errorf(key, "unknown key %q%s", full, knownKeys(model, prefix))
		}
		if err := c.section(value, model.Children[command], full+"."); err != nil {
			return err
		}
	}
	return nil
}

// flagText returns the value of a flag as the command line would have it.
func (c *configParser) flagText(value *yaml.Node, flag *kong.Flag, full string) (string, error) {
	if value.Kind == yaml.SequenceNode && flag.IsSlice() {
		var items []string
		for _, item := range value.Content {
			if item = resolveAlias(item); item.Kind != yaml.ScalarNode {
				return "", c.errorf(item, "the values of %q must be plain", full)
			}
			items = append(items, kong.JoinEscaped([]string{item.Value}, flag.Tag.Sep))
		}
		return strings.Join(items, string(flag.Tag.Sep)), nil
	}
	if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
		return "", c.errorf(value, "key %q needs one plain value", full)
	}
	return value.Value, nil
}

func (c *configParser) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", c.name, n.Line) }

func (c *configParser) errorf(n *yaml.Node, format string, args ...any) error {
	return usageErrorf("%s: %w", c.at(n), fmt.Errorf(format, args...))
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// settableFlag returns the flag of that name that a file may set, or nil.
func settableFlag(model *kong.Node, name string) *kong.Flag {
	for _, flag := range model.Flags {
		if flag.Name == name && name != "help" && name != configFlag {
			return flag
		}
	}
	return nil
}

// knownKeys lists, for an error, what may stand in a section.
func knownKeys(model *kong.Node, prefix string) string {
	var keys []string
	for _, flag := range model.Flags {
		if settableFlag(model, flag.Name) != nil {
			keys = append(keys, flag.Name)
		}
	}
	for _, child := range model.Children {
		keys = append(keys, child.Name)
	}
	where := "there"
	if prefix != "" {
		where = "under " + strings.TrimSuffix(prefix, ".")
	}
	if len(keys) == 0 {
		return fmt.Sprintf("; nothing can be set %s", where)
	}
	return fmt.Sprintf("; known %s: %s", where, strings.Join(keys, ", "))
}
