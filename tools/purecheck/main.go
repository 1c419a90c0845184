// SPDX-License-Identifier: GPL-3.0-or-later

// Command purecheck reports what keeps a package from being a deterministic
// machine and what its imports alone cannot show: reading the clock, waiting,
// starting goroutines, and random numbers that no caller has seeded.
//
// Usage: purecheck DIR...
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// impure maps an import path to the reason why the functions in deny (or all
// but those in allow) make a machine depend on more than its events.
var impure = map[string]struct {
	reason      string
	deny, allow []string
}{
	"time": {
		reason: "a machine is told the time: `now` comes in with each event",
		deny:   []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	},
	"math/rand/v2": {
		reason: "the same seed must give the same run: use a *rand.Rand the caller seeded",
		allow:  []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "PCG", "ChaCha8", "Zipf", "Source"},
	},
}

func main() {
	found := false
	for _, dir := range os.Args[1:] {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			faults, err := checkFile(path)
			for _, f := range faults {
				found = true
				fmt.Println(f)
			}
			return err
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, "purecheck:", err)
			os.Exit(2)
		}
	}
	if found {
		os.Exit(1)
	}
}

// checkFile returns one line per fault in the Go file at path.
func checkFile(path string) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, 0)
	if err != nil {
		return nil, err
	}
	imported := importNames(file)
	var faults []string
	report := func(n ast.Node, what, reason string) {
		faults = append(faults, fmt.Sprintf("%s: %s: %s", fset.Position(n.Pos()), what, reason))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "go statement", "a machine has no goroutines: its runner owns them")
		case *ast.SelectorExpr:
			name, ok := n.X.(*ast.Ident)
			if !ok || name.Obj != nil { // a local of the same name, not the package
				break
			}
			if rule, ok := impure[imported[name.Name]]; ok && forbidden(n.Sel.Name, rule.deny, rule.allow) {
				report(n, name.Name+"."+n.Sel.Name, rule.reason)
			}
		}
		return true
	})
	return faults, nil
}

// importNames maps the name a file uses for each import to the import's path.
func importNames(file *ast.File) map[string]string {
	names := make(map[string]string)
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := filepath.Base(path)
		if path == "math/rand/v2" {
			name = "rand"
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

func forbidden(name string, deny, allow []string) bool {
	for _, d := range deny {
		if d == name {
			return true
		}
	}
	if len(allow) == 0 {
		return false
	}
	for _, a := range allow {
		if a == name {
			return false
		}
	}
	return true
}
