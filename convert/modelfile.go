package convert

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/folder"
)

// chatFormat is a chat template of ollama's, which are Go's, for the models whose Jinja template has a mark.
type chatFormat struct {
	mark, template string
	stop           []string
}

var chatFormats = []chatFormat{
	{"<|im_start|>", `{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
`, []string{"<|im_end|>", "<|im_start|>"}},
	{"<|start_header_id|>", `{{- range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>

{{ .Content }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>

`, []string{"<|eot_id|>", "<|start_header_id|>"}},
	{"[INST]", `[INST] {{ if .System }}{{ .System }} {{ end }}{{ .Prompt }} [/INST]`, []string{"[INST]", "[/INST]"}},
}

// writeModelfile writes ollama's Modelfile beside a GGUF file: what it is made from, its chat template and where a text ends.
func writeModelfile(output, from string, m *gguf.Metadata) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# ollama create NAME -f %s\n%s\n", filepath.Base(modelfileOf(output)), from)
	template, err := m.String("tokenizer.chat_template")
	if err == nil {
		for _, f := range chatFormats {
			if strings.Contains(template, f.mark) {
				fmt.Fprintf(&b, "TEMPLATE \"\"\"%s\"\"\"\n", f.template)
				for _, s := range f.stop {
					fmt.Fprintf(&b, "PARAMETER stop \"%s\"\n", s)
				}
				break
			}
		}
	}
	arch, _ := m.Architecture()
	if n, err := m.Int(arch + ".context_length"); err == nil {
		fmt.Fprintf(&b, "PARAMETER num_ctx %d\n", min(n, 8192))
	}
	path := modelfileOf(output)
	return path, folder.WriteFile(path, []byte(b.String()))
}

func modelfileOf(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".Modelfile"
}
