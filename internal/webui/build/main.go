// SPDX-License-Identifier: GPL-3.0-or-later

// Command build bundles the page sources of web/ into internal/webui/dist.
// With -check it only says whether dist is what the sources give.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are the scripts, one for each page.
var entries = []string{"player-page", "watch-page", "index-page"}

// files maps names in dist to contents.
type files map[string][]byte

func main() {
	root := flag.String("root", ".", "the module's directory")
	check := flag.Bool("check", false, "change nothing, fail if dist is not what the sources give")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "webui:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	built, err := build(filepath.Join(root, "web"))
	if err != nil {
		return err
	}
	dist := filepath.Join(root, "internal", "webui", "dist")
	if check {
		return compare(dist, built)
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	for name, content := range built {
		path := filepath.Join(dist, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// build makes assets whose names carry a hash of their content, so that
// browsers may keep them for ever, and pages that refer to them.
func build(web string) (files, error) {
	built := files{}
	assets := map[string]string{} // name in a page -> name in dist
	add := func(name, ending string, content []byte) {
		sum := sha256.Sum256(content)
		file := "assets/" + name + "-" + hex.EncodeToString(sum[:5]) + ending
		built[file] = content
		assets[name+ending] = "/" + file
	}
	for _, entry := range entries {
		script, err := bundle(filepath.Join(web, "src", entry+".ts"), api.LoaderTS)
		if err != nil {
			return nil, err
		}
		add(entry, ".js", script)
	}
	style, err := bundle(filepath.Join(web, "style.css"), api.LoaderCSS)
	if err != nil {
		return nil, err
	}
	add("style", ".css", style)
	icon, err := os.ReadFile(filepath.Join(web, "icon.svg"))
	if err != nil {
		return nil, err
	}
	add("icon", ".svg", icon)
	return built, pages(web, assets, built)
}

func bundle(entry string, loader api.Loader) ([]byte, error) {
	absolute, err := filepath.Abs(entry)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		EntryPoints:       []string{absolute},
		AbsWorkingDir:     filepath.Dir(absolute), // keeps this machine's paths out
		Bundle:            true,
		MinifyWhitespace:  true,
		MinifySyntax:      true,
		MinifyIdentifiers: loader == api.LoaderTS,
		Format:            api.FormatESModule,
		Target:            api.ES2020,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone,
		LogLevel:          api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return nil, fmt.Errorf("bundle %s: %s", filepath.Base(entry), result.Errors[0].Text)
	}
	return result.OutputFiles[0].Contents, nil
}

func pages(web string, assets map[string]string, built files) error {
	t := template.New("").Funcs(template.FuncMap{"asset": func(name string) (string, error) {
		if path, ok := assets[name]; ok {
			return path, nil
		}
		return "", fmt.Errorf("no asset %q", name)
	}})
	t, err := t.ParseGlob(filepath.Join(web, "pages", "*.html"))
	if err != nil {
		return err
	}
	for _, name := range []string{"player.html", "watch.html", "index.html"} {
		var page bytes.Buffer
		if err := t.ExecuteTemplate(&page, name, nil); err != nil {
			return err
		}
		built[name] = page.Bytes()
	}
	return nil
}

// errStale is returned by -check.
var errStale = errors.New("dist is not what web/ gives: run go generate ./internal/webui")

func compare(dist string, built files) error {
	found := files{}
	err := filepath.WalkDir(dist, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dist, path)
		if err != nil {
			return err
		}
		found[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !slices.Equal(slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(built))) {
		return errStale
	}
	for name := range built {
		if !bytes.Equal(found[name], built[name]) {
			return fmt.Errorf("%s: %w", name, errStale)
		}
	}
	return nil
}
