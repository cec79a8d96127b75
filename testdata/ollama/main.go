// Ollama reads a Modelfile by ollama's own parser, and renders conversations by its template: conversations are read from
// standard input as JSON, a list of lists of messages. Written are the request that ollama makes of the file, and the texts.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/parser"
	"github.com/ollama/ollama/template"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := parser.ParseFile(f)
	if err != nil {
		return err
	}
	request, err := m.CreateRequest(filepath.Dir(path))
	if err != nil {
		return err
	}
	var conversations [][]api.Message
	if err := json.NewDecoder(os.Stdin).Decode(&conversations); err != nil {
		return err
	}
	t, err := template.Parse(request.Template)
	if err != nil {
		return err
	}
	texts := make([]string, len(conversations))
	for i, c := range conversations {
		if request.System != "" && c[0].Role != "system" { // as the server does
			c = append([]api.Message{{Role: "system", Content: request.System}}, c...)
		}
		var b strings.Builder
		if err := t.Execute(&b, template.Values{Messages: c}); err != nil {
			return err
		}
		texts[i] = b.String()
	}
	return json.NewEncoder(os.Stdout).Encode(struct {
		Request *api.CreateRequest
		Texts   []string
	}{request, texts})
}
