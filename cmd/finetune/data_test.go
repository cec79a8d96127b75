package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/finetune"
)

// writeFile writes a file into a new folder and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// chats is conversations: the first two are the same, the third has an empty answer, the fourth is too long for 60 tokens.
var chats = strings.Repeat(`{"conversations": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], "mood": "good"}`+"\n", 2) +
	`{"conversations": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": ""}]}` + "\n" +
	`{"conversations": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "` + strings.Repeat("long ", 30) + `"}]}` + "\n"

// TestData describes files, and says what training would refuse.
func TestData(t *testing.T) {
	chat := writeFile(t, "chats.jsonl", chats)
	columns := []string{"data", chat, "--model", "embedded", "--columns", "messages=conversations", "--set", "chat_template=chatml", "--set", "max_length=60"}
	out := ok(t, columns...)
	for _, want := range []string{
		`(?m)^rows +4, of the task instruct$`, `(?m)^cut +1 rows, at 60 tokens$`, `(?m)^duplicates +1 rows; the first: .*chats\.jsonl:2$`,
		`(?m)^roles +assistant 4, user 4, system 1$`, `(?m)^tokens +\d+, \d+\.\d % of them scored$`, `(?m)^ +16–31 +█{40} 2$`,
		`(?s)The first row.*<\|im_start\|>user\nhi<\|im_end\|>\n<\|im_start\|>assistant\n⟦ho<\|im_end\|>`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	var info finetune.DataInfo
	okJSON(t, &info, columns...)
	if info.Counts.Rows != 4 || info.Lengths.Max != 60 || info.Roles["system"] != 1 || info.Counts.Notes == nil || len(info.Counts.Notes.Unused) != 1 {
		t.Errorf("got %+v", info)
	}
	for _, tt := range []struct {
		content string
		args    []string
		want    string
	}{
		{chats, []string{"--columns", "messages=conversatoins"}, `has no column "conversatoins"; it has conversations, mood; did you mean "conversations"?`},
		{chats, nil, "chat messages need a chat template"},
		{"{\"prompt\": \"a\", \"response\": \"b\"}\n{\"prompt\": \"a\"}\n", nil, `d.jsonl:2: field "response" is missing`},
		{`{"x": 1}`, nil, "no task is named, and none of instruct, math, text takes"},
		{`{"x": 1}`, []string{"--task", "classify"}, `d.jsonl:1: field "label" is missing`},
	} {
		code, out, err := finetuneCmd(t, append([]string{"data", writeFile(t, "d.jsonl", tt.content), "--model", "embedded"}, tt.args...)...)
		if code != 1 || !strings.Contains(err, tt.want) {
			t.Errorf("%q %q: code %d, %s%s, want %q", tt.content, tt.args, code, out, err, tt.want)
		}
	}
	if code, _, err := finetuneCmd(t, "data", chat); code != 1 || !strings.Contains(err, "name it with --model") {
		t.Errorf("without a model: code %d, %s", code, err)
	}
}

// TestDataOfRecipe counts what is evaluated and trained on, too, by the rules of training.
func TestDataOfRecipe(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"prompt": "question %d", "response": "answer %d"}`, i, i))
	}
	train := writeFile(t, "train.jsonl", strings.Join(lines, "\n"))
	held := writeFile(t, "held.jsonl", strings.Join(append(lines[:3:3], `{"prompt": "new", "response": "one"}`), "\n"))
	words := strings.Repeat("one two three four five six seven eight nine ten eleven twelve thirteen fourteen ", 3)
	text := writeFile(t, "text.jsonl", fmt.Sprintf("{\"text\": %q}\n{\"text\": \"else\"}\n", words))
	for _, tt := range []struct {
		recipe string
		want   []finetune.DataOverlap
	}{
		{fmt.Sprintf("task: instruct\ndata: %q\neval_data: %q\nbenchmarks: [{name: bench, task: instruct, options: {eval_data: %q}}]", train, held, train),
			[]finetune.DataOverlap{{Name: "eval_data", Unit: "rows", Shared: 3, Compared: 4, First: held + ":1"}, {Name: "bench", Unit: "rows", Shared: 30, Compared: 30, First: train + ":1"}}},
		{fmt.Sprintf("task: instruct\ndata: %q", train), []finetune.DataOverlap{{Name: "held_out", Unit: "rows", Compared: 3}}},
		{fmt.Sprintf("task: instruct\ndata: %q\nstreaming: true\nmax_steps: 2\ntask_options: {eval_size: 5}", train), []finetune.DataOverlap{{Name: "held_out", Unit: "rows", Compared: 5}}},
		{fmt.Sprintf("task: text\ndata: %q\neval_data: %q\ntask_options: {block_size: 512}", text, text),
			[]finetune.DataOverlap{{Name: "eval_data", Unit: "rows", Shared: 2, Compared: 2, First: text + ":1"}, {Name: "eval_data", Unit: "runs of 13 words", Shared: 14, Compared: 14, First: text + ":1"}}},
	} {
		recipe := writeFile(t, "recipe.yaml", "model: embedded\n"+tt.recipe)
		var info finetune.DataInfo
		okJSON(t, &info, "data", recipe)
		if !slices.Equal(info.Overlaps, tt.want) || info.Refused != "" {
			got, _ := json.Marshal(info)
			t.Errorf("%s\n%s\nwant %+v", tt.recipe, got, tt.want)
		}
	}
}

// TestDataHeldOut says what training holds out, and why.
func TestDataHeldOut(t *testing.T) {
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"prompt": "question %d", "response": "answer %d", "text": "a b c d e f g h"}`, i, i))
	}
	file := writeFile(t, "train.jsonl", strings.Join(lines, "\n"))
	recipe := func(keys string) []string {
		return []string{writeFile(t, "recipe.yaml", fmt.Sprintf("model: embedded\ntask: instruct\ndata: %q\n%s", file, keys))}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{file, "--model", "embedded"}, "rows +30, .*(?s:.*)held out +when training: 3 of 30 records, drawn by seed: eval_size is not set, which means a tenth, at most 100\n\n"},
		{[]string{file, "--model", "embedded", "--set", "task_options.eval_size=7"}, "rows +30, .*(?s:.*)held out +when training: 7 records, drawn by seed: eval_size is 7\n"},
		{[]string{file, "--model", "embedded", "--set", "streaming=true", "--set", "max_steps=1"}, "held out +when training: 100 records, the first ones, since they are streamed: eval_size is not set\n"},
		{[]string{file, "--model", "embedded", "--task", "text"}, "held out +when training: the last 10 % of each source: eval_fraction is 0.1\n"},
		{recipe(""), "rows +27, .*(?s:.*)held out +a tenth of the records, at most 100, drawn by seed: eval_size is not set; 3 rows to evaluate, not counted above\n" +
			"overlap +0 of 3 held-out rows are trained on\n"},
		{recipe("eval_data: " + file), "rows +30, .*(?s:.*)held out +nothing of data, since eval_data is given; 30 rows to evaluate, not counted above\noverlap +30 of 30 rows of eval_data are trained on"},
		{recipe("task_options: {eval_split: tail, eval_size: 5}"), "rows +25, .*(?s:.*)held out +5 records, the last ones: eval_size is 5; 5 rows to evaluate"},
		{recipe("task_options: {eval_size: 0}"), "held out +nothing, since eval_size is 0\n"},
	} {
		if out := ok(t, append([]string{"data"}, tt.args...)...); !regexp.MustCompile(tt.want).MatchString(out) {
			t.Errorf("%q: %s is not in\n%s", tt.args, tt.want, out)
		}
	}
}

// TestTrainColumns: the flag is the key of the recipe.
func TestTrainColumns(t *testing.T) {
	path := writeFile(t, "d.jsonl", strings.Repeat(`{"ask": "a", "say": "b"}`+"\n", 20))
	out := ok(t, "train", "--model", "embedded", "--task", "instruct", "--data", path, "--columns", "prompt=ask", "--columns", "response=say", "--output", filepath.Join(t.TempDir(), "run"), "--dry-run")
	if !strings.Contains(out, "steps: 3 of 8 rows") {
		t.Errorf("the plan is %s", out)
	}
}

// TestDataFromStandardInput trains on what a pipe brings, plain and compressed.
func TestDataFromStandardInput(t *testing.T) {
	lines := strings.Repeat(`{"prompt": "a", "response": "b"}`+"\n", 20)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte(lines))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ task, input string }{
		{"instruct", lines}, {"instruct", packed.String()}, {"instruct", "prompt,response\n" + strings.Repeat("a,b\n", 20)}, {"instruct", "prompt\tresponse\n" + strings.Repeat("a\tb\n", 20)},
		{"text", strings.Repeat(`{"text": "a"}`+"\n", 20)}, {"text", "text,mood\n" + strings.Repeat("a,b\n", 20)},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "FINETUNE_ARGS="+strings.Join([]string{"train", "--model", "embedded", "--task", tt.task, "--data", "-", "--output",
			filepath.Join(t.TempDir(), "run"), "--set", "max_steps=1", "--set", "max_length=16"}, "\n"))
		cmd.Stdin = strings.NewReader(tt.input)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "split=train") || !strings.Contains(string(out), "rows=18 ") {
			t.Errorf("%v: %s", err, out)
		}
	}
}
