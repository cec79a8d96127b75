package finetune

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spagotune/spagotune/tasks/data"
)

// TestNotes checks what a run says of its data: a template whose answers end in no stop token, and fields that are not
// used.
func TestNotes(t *testing.T) {
	const ends, unused = "does not learn to stop", "is not used"
	turn := "{% for m in messages %}[{{ m.role }}] {{ m.content }}"
	for name, c := range map[string]struct {
		template, record string
		want, not        []string
	}{
		"no stop token":   {turn + "\n{% endfor %}", `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`, []string{ends}, []string{unused}},
		"stop token":      {turn + "{{ eos_token }}\n{% endfor %}", `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`, nil, []string{ends, unused}},
		"unused field":    {turn + "{{ eos_token }}{% endfor %}", `{"messages": [{"role": "assistant", "content": "b"}], "persona": "x", "id": 7}`, []string{unused, `"field":"persona"`, "d.jsonl:1"}, []string{ends, `"field":"id"`}},
		"unused tools":    {turn + "{{ eos_token }}{% endfor %}", `{"messages": [{"role": "assistant", "content": "b"}], "tools": [{"type": "function", "function": {"name": "add"}}]}`, []string{`"field":"tools"`}, nil},
		"unused thought":  {turn + "{{ eos_token }}{% endfor %}", `{"messages": [{"role": "assistant", "reasoning": "why", "content": "b"}]}`, []string{`"field":"reasoning"`}, nil},
		"no conversation": {turn + "{% endfor %}", `{"prompt": "a", "response": "b", "persona": "x"}`, []string{`"field":"persona"`}, []string{ends}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "cases", "training", "eos-not-learned", "base"))); err != nil {
				t.Fatal(err)
			}
			records := filepath.Join(dir, "d.jsonl")
			for path, content := range map[string]string{filepath.Join(dir, "chat_template.jinja"): c.template, records: strings.Repeat(c.record+"\n", 3)} {
				if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			var logs bytes.Buffer
			run := smallRun(t, "lora")
			run.Model, run.Train.MaxSteps = ModelSpec{Path: dir}, 1
			run.Task = TaskSpec{Name: "instruct", Data: data.Sources{{Path: records}}, Options: map[string]any{"eval_size": 0}}
			if _, err := Run(t.Context(), run, Options{Log: zerolog.New(&logs)}); err != nil {
				t.Fatal(err)
			}
			for _, s := range c.want {
				if n := strings.Count(logs.String(), s); n != 1 {
					t.Errorf("the log has %q %d times, want 1:\n%s", s, n, &logs)
				}
			}
			for _, s := range c.not {
				if strings.Contains(logs.String(), s) {
					t.Errorf("the log has %q:\n%s", s, &logs)
				}
			}
		})
	}
}
