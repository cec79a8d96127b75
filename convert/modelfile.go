package convert

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/checkpoint/llamacpp"
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

// modelfilePath is where the Modelfile of a GGUF file lies.
func modelfilePath(output string) string {
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".Modelfile"
}

// fromPath is a path as the Modelfile beside output names it: relative to the Modelfile where it lies in or below its folder,
// which can then be moved as a whole, else absolute.
func fromPath(output, path string) (string, error) {
	dir, err := filepath.Abs(filepath.Dir(output))
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return "./" + filepath.ToSlash(rel), nil
	}
	return path, nil
}

// writeModelfile writes ollama's Modelfile beside a GGUF file: what it is made from, its chat template and where a text ends.
func writeModelfile(output, from string, m *gguf.Metadata) (Modelfile, error) {
	f := Modelfile{Path: modelfilePath(output)}
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
	return newOllamaTemplate(c, token("bos_token_id"), token("eos_token_id"), llamacpp.AddsBOS(m))
}

func (t *ollamaTemplate) write(b *strings.Builder) {
	fmt.Fprintf(b, "TEMPLATE \"\"\"%s\"\"\"\n", t.source)
	if t.stop != "" {
		fmt.Fprintf(b, "PARAMETER stop \"\"\"%s\"\"\"\n", t.stop)
	}
}
