package convert

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint/gguf"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/internal/tiny"
	"github.com/spagotune/spagotune/tokenizer/chat"
)

// ollamaRead is what ollama makes of a Modelfile.
type ollamaRead struct {
	Request struct {
		Files, Adapters map[string]string
		Template        string
		Parameters      struct {
			Stop    []string `json:"stop"`
			Context int      `json:"num_ctx"`
		}
	}
	Texts []string
}

// buildOllama builds testdata/ollama, a module of its own, and is skipped where ollama's module is not at hand.
func buildOllama(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ollama")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(golden.Repository(t), "testdata", "ollama")
	build.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("ollama's module is not at hand: %s", out)
	}
	return program
}

// readByOllama reads a Modelfile by ollama's parser, and renders conversations by its template.
func readByOllama(t *testing.T, program, path string, conversations [][]chat.Message) ollamaRead {
	t.Helper()
	asked, err := json.Marshal(conversations)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, path)
	c.Stdin = strings.NewReader(string(asked))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r ollamaRead
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// turns are messages by role: s, u or a.
func turns(roles string) []chat.Message {
	var list []chat.Message
	for i, r := range roles {
		role := map[rune]string{'s': "system", 'u': "user", 'a': "assistant"}[r]
		list = append(list, chat.Message{Role: role, Content: fmt.Sprintf("%s {{ .%d }} \"\"\" says: ünd\nso", role, i)})
	}
	return list
}

// chatTemplates are the program's own and those of the golden conversations.
func chatTemplates(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(golden.Repository(t), "testdata", "golden", "chat", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases struct{ Templates map[string]string }
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, name := range chat.BuiltinNames() {
		b, _ := chat.BuiltinTemplate(name)
		cases.Templates["builtin-"+name] = b.Source
	}
	return cases.Templates
}

// TestModelfile writes Modelfiles, reads them by ollama's own code, and compares the texts that ollama makes of conversations
// with those of the models' templates.
func TestModelfile(t *testing.T) {
	const bos, eos = "<s>", "</s>"
	program := buildOllama(t)
	const otherSystem = "a system message is written otherwise than by the model's own chat template"
	notes := map[string]string{"gemma": otherSystem, "mistral": otherSystem, // Gemma's has none, and Mistral's goes to the last message of the user
		"qwen3_excerpt": "the chat template has no equal in Go's templates: turns are not written one after the other"} // which begins no answer
	for name, source := range chatTemplates(t) {
		t.Run(name, func(t *testing.T) {
			var m gguf.Metadata
			for k, v := range map[string]any{"general.architecture": "llama", "llama.context_length": uint32(256), "tokenizer.chat_template": source,
				"tokenizer.ggml.tokens": []string{bos, eos}, "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1)} {
				m.Set(k, v)
			}
			dir := t.TempDir()
			tiny.Write(t, filepath.Join(dir, "m.gguf"), "GGUF")
			f, err := writeModelfile(filepath.Join(dir, "m.gguf"), "FROM ./m.gguf", &m)
			if err != nil {
				t.Fatal(err)
			}
			if f.Note != notes[name] {
				t.Errorf("note %q, want %q", f.Note, notes[name])
			}
			conversations := [][]chat.Message{turns("u"), turns("uau"), turns("uauau")}
			if f.Note == "" {
				conversations = append(conversations, turns("su"), turns("suau"))
			}
			got := readByOllama(t, program, f.Path, conversations)
			if len(got.Request.Files) != 1 || got.Request.Parameters.Context != 256 {
				t.Errorf("%+v", got.Request)
			}
			if got.Request.Template == "" {
				return
			}
			c, err := chat.ParseTemplate(source)
			if err != nil {
				t.Fatal(err)
			}
			for i, turns := range conversations {
				want, err := c.Render(turns, chat.Options{AddGenerationPrompt: true, BOS: bos, EOS: eos})
				if err != nil {
					t.Fatal(err)
				}
				if want = strings.TrimPrefix(want, bos); got.Texts[i] != want {
					t.Errorf("conversation %d: %q, want %q", i, got.Texts[i], want)
				}
			}
			if stop := got.Request.Parameters.Stop; len(stop) != 1 || !strings.Contains(got.Texts[1], stop[0]) {
				t.Errorf("stop %q", stop)
			}
		})
	}
}
