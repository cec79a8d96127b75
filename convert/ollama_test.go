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

const (
	testBOS, testEOS = "<s>", "</s>"
	noEqual          = "the chat template has no equal in Go's templates"
)

// modelfileOf writes the Modelfile of a file with a chat template.
func modelfileOf(t *testing.T, template string, addsBOS bool) Modelfile {
	t.Helper()
	var m gguf.Metadata
	for k, v := range map[string]any{"general.architecture": "llama", "llama.context_length": uint32(256), "tokenizer.chat_template": template,
		"tokenizer.ggml.tokens": []string{testBOS, testEOS}, "tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1),
		"tokenizer.ggml.add_bos_token": addsBOS} {
		m.Set(k, v)
	}
	path := tiny.Write(t, filepath.Join(t.TempDir(), "m.gguf"), "GGUF")
	f, err := writeModelfile(path, "FROM ./m.gguf", &m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestModelfile writes Modelfiles, reads them by ollama's own code, and compares the texts that ollama makes of conversations
// with those of the models' templates. ollama begins a text with bos_token_id where the file says so, and only there.
func TestModelfile(t *testing.T) {
	program := buildOllama(t)
	const otherSystem = "a system message is written otherwise than by the model's own chat template"
	notes := map[string]string{"gemma": otherSystem, "mistral": otherSystem, // Gemma's has none, and Mistral's goes to the last message of the user
		"qwen3_excerpt": noEqual + ": turns are not written one after the other"} // which begins no answer
	for name, source := range chatTemplates(t) {
		for _, addsBOS := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/add_bos_token=%v", name, addsBOS), func(t *testing.T) { checkModelfile(t, program, source, notes[name], addsBOS) })
		}
	}
}

// checkModelfile does it for one template, of which note is said where ollama adds no token.
func checkModelfile(t *testing.T, program, source, note string, addsBOS bool) {
	t.Helper()
	c, err := chat.ParseTemplate(source)
	if err != nil {
		t.Fatal(err)
	}
	own := func(turns []chat.Message) string {
		text, err := c.Render(turns, chat.Options{AddGenerationPrompt: true, BOS: testBOS, EOS: testEOS})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	conversations := [][]chat.Message{turns("u"), turns("uau"), turns("uauau")}
	if note == "" {
		conversations = append(conversations, turns("su"), turns("suau"))
	}
	added, surplus := "", ""
	if addsBOS {
		added = testBOS
	}
	if !strings.HasPrefix(own(turns("u")), added) { // the template leaves the token out, so there is one too many
		surplus = added
		if !strings.HasPrefix(note, noEqual) {
			note = strings.TrimSuffix("a text begins with <s> (add_bos_token), which the model's own chat template does not write; "+note, "; ")
		}
	}
	f := modelfileOf(t, source, addsBOS)
	if f.Note != note {
		t.Errorf("note %q, want %q", f.Note, note)
	}
	got := readByOllama(t, program, f.Path, conversations)
	if len(got.Request.Files) != 1 || got.Request.Parameters.Context != 256 {
		t.Errorf("%+v", got.Request)
	}
	if got.Request.Template == "" {
		return
	}
	for i, turns := range conversations {
		if text, want := added+got.Texts[i], surplus+own(turns); text != want {
			t.Errorf("conversation %d: %q, want %q", i, text, want)
		}
	}
	if stop := got.Request.Parameters.Stop; len(stop) != 1 || !strings.Contains(got.Texts[1], stop[0]) {
		t.Errorf("stop %q", stop)
	}
}

// TestModelfileOfSmolLM2: its first token is what begins every turn, and llama.cpp does not add it.
func TestModelfileOfSmolLM2(t *testing.T) {
	var m gguf.Metadata
	for k, v := range map[string]any{"general.architecture": "llama", "tokenizer.ggml.tokens": []string{"<|im_start|>", "<|im_end|>"},
		"tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(1), "tokenizer.ggml.add_bos_token": false,
		"tokenizer.chat_template": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"} {
		m.Set(k, v)
	}
	o, err := ollamaTemplateOf(&m)
	if err != nil || o.note != "" {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, want := range []string{"{{ if $.System }}<|im_start|>system\n", "{{ else }}<|im_start|>user\n", "<|im_start|>assistant\n"} {
		if !strings.Contains(o.source, want) {
			t.Errorf("the template has no %q: %s", want, o.source)
		}
	}
}

// TestFromPath: a Modelfile names its base so that ollama finds it from any folder.
func TestFromPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, tt := range []struct{ output, base, want string }{
		{"run.gguf", "smollm2", "./smollm2"},
		{"run.gguf", "models/base.gguf", "./models/base.gguf"},
		{"run.gguf", filepath.Join(dir, "smollm2"), "./smollm2"},
		{"out/run.gguf", "smollm2", filepath.Join(dir, "smollm2")},
		{"out/run.gguf", "out/smollm2", "./smollm2"},
		{"run.gguf", "../elsewhere", filepath.Join(filepath.Dir(dir), "elsewhere")},
	} {
		if got, err := fromPath(tt.output, tt.base); err != nil || got != tt.want {
			t.Errorf("%s from %s: %q, %v; want %q", tt.output, tt.base, got, err, tt.want)
		}
	}
}
