package chat

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spagotune/spagotune/tokenizer"
)

// harmonyCase is a conversation, and what openai-harmony writes where the template of gpt-oss writes something else: pairs of texts, of the
// template and of the package.
type harmonyCase struct {
	Name     string          `json:"-"`
	Messages []Message       `json:"messages"`
	Tools    json.RawMessage `json:"tools"`
	Effort   string          `json:"effort"`
	Date     string          `json:"date"`
	GP       bool            `json:"gp"`
	differ   []string
}

const (
	weatherTool = `{"type": "function", "function": {"name": "get_weather", "description": "Gets the weather.", "parameters": {"type": "object", "properties":
 {"city": {"type": "string", "description": "The city."}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"}, "days": {"type": "integer", "default": 1},
 "tags": {"type": "array", "items": {"type": "string"}}, "exact": {"type": "boolean"}}, "required": ["city"]}}}`
	timeTool = `{"type": "function", "function": {"name": "get_time", "description": "Gets the time."}}`
	weather  = `{"role": "assistant", "thinking": "I ask.", "tool_calls": [{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris", "days": 2}}}]},
 {"role": "tool", "name": "get_weather", "content": "sunny"}`
)

// What differs: the template ends instructions in an empty line, does not mark the type of a call's arguments as a constraint, and quotes what a
// tool returns.
var (
	emptyLine  = []string{"\n\n<|end|>", "<|end|>"}
	constraint = []string{"<|channel|>commentary json<|message|>", "<|channel|>commentary <|constrain|>json<|message|>"}
	quotes     = []string{`<|message|>"sunny"<|end|>`, "<|message|>sunny<|end|>"}
)

var harmonyCases = []struct {
	name, messages, tools, effort string
	prompt                        bool
	differ                        [][]string
}{
	{"user", `{"role": "user", "content": "Hi"}`, "", "", true, nil},
	{"effort", `{"role": "user", "content": "Hi\n\n 12345 naïve 中文"}`, "", "high", true, nil},
	{"instructions", `{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}`, "", "low", true, [][]string{emptyLine}},
	{"developer", `{"role": "developer", "content": "Be brief.\nBe kind."}, {"role": "user", "content": "Hi"}`, "", "", true, [][]string{emptyLine}},
	{"turns", `{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Bye"}`, "", "", true, nil},
	{"thoughts of a turn before", `{"role": "user", "content": "Hi"}, {"role": "assistant", "thinking": "A greeting.", "content": "Hello."}, {"role": "user", "content": "Bye"}`, "", "", true, nil},
	{"training", `{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}`, "", "", false, nil},
	{"training with thoughts", `{"role": "user", "content": "Hi"}, {"role": "assistant", "thinking": "A greeting.", "content": "Hello."}`, "", "", false, nil},
	{"tools", `{"role": "user", "content": "Weather?"}`, weatherTool + "," + timeTool, "", true, nil},
	{"tools and instructions", `{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}`, timeTool, "", true, nil},
	{"call", `{"role": "user", "content": "Weather?"}, ` + weather, weatherTool, "", true, [][]string{constraint, quotes}},
	{"call and answer", `{"role": "user", "content": "Weather?"}, ` + weather + `, {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "Thanks"}`, weatherTool, "", true,
		[][]string{constraint, quotes}},
	{"training with a call", `{"role": "user", "content": "Weather?"}, ` + weather + `, {"role": "assistant", "thinking": "Sun.", "content": "Sunny."}`, weatherTool, "", false,
		[][]string{constraint, quotes}},
}

// TestHarmony compares the template of gpt-oss with the package openai-harmony: the texts but for the differences that are listed, and the ids
// of the package's texts. SPAGOTUNE_HARMONY names a Python with the package, SPAGOTUNE_GPT_OSS a folder with chat_template.jinja and
// o200k_base.tiktoken.
func TestHarmony(t *testing.T) {
	python, dir := os.Getenv("SPAGOTUNE_HARMONY"), os.Getenv("SPAGOTUNE_GPT_OSS")
	if python == "" || dir == "" {
		t.Skip("no SPAGOTUNE_HARMONY and SPAGOTUNE_GPT_OSS")
	}
	source, err := os.ReadFile(filepath.Join(dir, "chat_template.jinja"))
	if err != nil {
		t.Fatal(err)
	}
	template, err := ParseTemplate(string(source))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases := make([]harmonyCase, len(harmonyCases))
	for i, c := range harmonyCases {
		cases[i] = harmonyCase{Name: c.name, Tools: json.RawMessage("[" + c.tools + "]"), Effort: c.effort, Date: "2026-11-29", GP: c.prompt, differ: slices.Concat(c.differ...)}
		if err := json.Unmarshal([]byte("["+c.messages+"]"), &cases[i].Messages); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.effort == "" {
			cases[i].Effort = "medium"
		}
	}
	for i, want := range harmony(t, python, dir, cases) {
		c := cases[i]
		opts := Options{AddGenerationPrompt: c.GP, Now: func() time.Time { return time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC) }}
		if len(c.Tools) > 2 {
			opts.Tools = c.Tools
		}
		opts.Extra.Set("reasoning_effort", c.Effort)
		got, err := template.Render(c.Messages, opts)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		for i := 0; i < len(c.differ); i += 2 {
			if !strings.Contains(got, c.differ[i]) {
				t.Errorf("%s: the template does not write %q", c.Name, c.differ[i])
			}
		}
		if got = strings.NewReplacer(c.differ...).Replace(got); got != want.Text {
			t.Errorf("%s:\n got %q\nwant %q", c.Name, got, want.Text)
		}
		if ids := tok.Encode(want.Text, false); !slices.Equal(ids, want.IDs) {
			t.Errorf("%s: ids\n got %v\nwant %v", c.Name, ids, want.IDs)
		}
	}
}

// rendered is a text of openai-harmony and its ids.
type rendered struct {
	Text string  `json:"text"`
	IDs  []int32 `json:"ids"`
}

// harmony renders conversations with openai-harmony.
func harmony(t *testing.T, python, dir string, cases []harmonyCase) []rendered {
	t.Helper()
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("..", "..", "scripts", "golden", "harmony.py"))
	cmd.Env = append(os.Environ(), "TIKTOKEN_ENCODINGS_BASE="+dir)
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	var all []rendered
	if err := json.Unmarshal(out, &all); err != nil || len(all) != len(cases) {
		t.Fatalf("%d texts of %d, %v", len(all), len(cases), err)
	}
	return all
}
