package convert

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/folder"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// Modelfile is ollama's file beside a GGUF file.
type Modelfile struct {
	Path string `json:"modelfile,omitempty"`
	// Note says what of the model's chat template it has no place for; "" if nothing.
	Note string `json:"modelfile_note,omitempty"`
}

// maxContext is the longest context that a Modelfile asks for: ollama takes memory for the whole of it.
const maxContext = 8192

// writeModelfile writes ollama's Modelfile beside a GGUF file: what it is made from, its chat template and where a text ends.
func writeModelfile(output, from string, m *gguf.Metadata) (Modelfile, error) {
	f := Modelfile{Path: strings.TrimSuffix(output, filepath.Ext(output)) + ".Modelfile"}
	var b strings.Builder
	fmt.Fprintf(&b, "# ollama create NAME -f %s\n%s\n", filepath.Base(f.Path), from)
	if t, err := ollamaTemplateOf(m); err != nil {
		f.Note = err.Error()
	} else if t != nil {
		t.write(&b)
		f.Note = t.note
	}
	arch, _ := m.Architecture()
	if n, err := m.Int(arch + ".context_length"); err == nil {
		fmt.Fprintf(&b, "PARAMETER num_ctx %d\n", min(n, maxContext))
	}
	return f, folder.WriteFile(f.Path, []byte(b.String()))
}

// ollamaTemplateOf is the template of a file's metadata, nil if it has none.
func ollamaTemplateOf(m *gguf.Metadata) (*ollamaTemplate, error) {
	if !m.Has("tokenizer.chat_template") {
		return nil, nil
	}
	source, err := m.String("tokenizer.chat_template")
	if err != nil {
		return nil, err
	}
	c, err := chat.ParseTemplate(source)
	if err != nil {
		return nil, err
	}
	tokens, err := m.Strings("tokenizer.ggml.tokens")
	if err != nil {
		return nil, err
	}
	token := func(key string) string {
		if id, err := m.Int("tokenizer.ggml." + key); err == nil && id >= 0 && id < len(tokens) {
			return tokens[id]
		}
		return ""
	}
	return newOllamaTemplate(c, token("bos_token_id"), token("eos_token_id"))
}

func (t *ollamaTemplate) write(b *strings.Builder) {
	fmt.Fprintf(b, "TEMPLATE \"\"\"%s\"\"\"\n", t.source)
	if t.stop != "" {
		fmt.Fprintf(b, "PARAMETER stop \"\"\"%s\"\"\"\n", t.stop)
	}
}
