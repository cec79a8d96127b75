package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/bench"
	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/inspect"
	"github.com/spagotune/spagotune/internal/build"
	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/verify"
)

// finetuneCmd runs the command and returns its exit code and output.
func finetuneCmd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// ok runs the command, which must succeed, and returns its output.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	code, out, err := finetuneCmd(t, args...)
	if code != 0 {
		t.Fatalf("finetune %s: exit %d: %s", strings.Join(args, " "), code, err)
	}
	return out
}

// okJSON runs the command and reads the JSON that it prints.
func okJSON(t *testing.T, v any, args ...string) {
	t.Helper()
	out := ok(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("finetune %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

// tiny returns the folder of the golden Llama.
func tiny(t *testing.T) string { return golden.Roots(t, "models", "llama")[0] }

// causal reports whether a folder holds a causal model.
func causal(t *testing.T, dir string) bool {
	var c struct {
		ModelType string `json:"model_type"`
	}
	golden.JSON(t, filepath.Join(dir, "config.json"), &c)
	return slices.Contains(model.Architectures(), c.ModelType)
}

// byteModel returns the folder of a model with the embedded base's shape, random weights and its byte-level tokenizer.
func byteModel(t *testing.T) string {
	t.Helper()
	base := filepath.Join("..", "..", "evaldata", "base")
	config, err := os.ReadFile(filepath.Join(base, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(config, model.Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "bytes")
	if err := m.Save(t.Context(), dir, "", checkpoint.DTypeF32); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"tokenizer.json", "tokenizer_config.json", "generation_config.json"} {
		b, err := os.ReadFile(filepath.Join(base, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHelp(t *testing.T) {
	out := ok(t, "--help")
	for _, verb := range []string{"train", "generate", "eval", "merge", "inspect", "verify", "bench", "version"} {
		if !strings.Contains(out, "\n  "+verb+" ") {
			t.Errorf("--help does not name %s", verb)
		}
		help := ok(t, verb, "--help")
		if !strings.Contains(help, "Examples:\n") || !strings.Contains(help, "finetune "+verb) {
			t.Errorf("%s --help has no examples:\n%s", verb, help)
		}
	}
}

// TestMethodHelp checks that the help of --method names every registered method.
func TestMethodHelp(t *testing.T) {
	help := strings.Join(strings.Fields(ok(t, "train", "--help")), " ")
	if want := strings.Join(adapter.Methods(), ", ") + "; or full."; !strings.Contains(help, want) {
		t.Errorf("train --help does not have %q:\n%s", want, help)
	}
}

func TestVersion(t *testing.T) {
	if out := ok(t, "version"); !strings.HasPrefix(out, "finetune ") || !strings.Contains(out, "kernel ") {
		t.Errorf("got %q", out)
	}
	version = "v9.8.7"
	defer func() { version = "" }()
	var b build.Info
	okJSON(t, &b, "version")
	if b.Version != "v9.8.7" || b.Go == "" || b.Kernel == "" || b.Threads < 1 {
		t.Errorf("got %+v", b)
	}
}

func TestVerify(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		t.Run(c.Name, func(t *testing.T) {
			if !causal(t, c.Dir) {
				t.Skip("not a causal model")
			}
			args := []string{"verify", "--model", c.Dir, "--reference", c.Path("io.safetensors")}
			if out := ok(t, args...); !strings.Contains(out, "all within 0.001") {
				t.Errorf("got %s", out)
			}
			code, out, err := finetuneCmd(t, append(args, "--tolerance", "1e-12", "--json")...)
			var report struct {
				OK          bool
				Comparisons verify.Report
			}
			if e := json.Unmarshal([]byte(out), &report); e != nil || report.OK || len(report.Comparisons) < 3 {
				t.Errorf("got %+v, %v", report, e)
			}
			if before, after, ok := strings.Cut(err, "Save copies them as they are\n"); ok && strings.Contains(before, " WRN ") {
				err = after // tensors for images, of which every command warns
			}
			if code != 1 || !strings.HasPrefix(err, "finetune: verify: ") || strings.Count(err, "\n") != 1 {
				t.Errorf("got exit %d, %q; want 1 and a line", code, err)
			}
		})
	}
}

// TestVerifyAdapter checks adapters of PEFT and of the published MoRA code against their logits.
func TestVerifyAdapter(t *testing.T) {
	for _, c := range golden.Cases(t, "peft") {
		adapters, err := filepath.Glob(c.Path("*", "io.safetensors"))
		if err != nil || len(adapters) == 0 || !causal(t, c.Path("base")) {
			continue
		}
		for _, io := range adapters {
			t.Run(c.Name+"/"+filepath.Base(filepath.Dir(io)), func(t *testing.T) {
				args := []string{"verify", "--model", c.Path("base"), "--reference", io}
				ok(t, append(args, "--adapter", filepath.Dir(io), "--tolerance", "2e-4")...)
				if code, _, _ := finetuneCmd(t, args...); code != 1 {
					t.Errorf("without the adapter: exit %d, want 1", code)
				}
			})
		}
	}
}

func TestGenerate(t *testing.T) {
	dir := byteModel(t)
	args := []string{"generate", "--model", dir, "--prompt", "Grüße", "--max-new-tokens", "20", "--temperature", "1", "--seed", "3"}
	var text infer.Completion
	okJSON(t, &text, args...)
	if text.Prompt != "Grüße" || len(text.Tokens) > 20 || len(text.Tokens) == 20 != (text.Reason == "length") {
		t.Errorf("got %+v", text)
	}
	if out := ok(t, args...); strings.TrimSuffix(out, "\n") != strings.TrimSuffix(text.Text, "\n") {
		t.Errorf("streamed %q, want %q", out, text.Text)
	}
	if again := ok(t, append(args, "--threads", "1")...); strings.TrimSuffix(again, "\n") != strings.TrimSuffix(text.Text, "\n") {
		t.Errorf("with one thread %q, want %q", again, text.Text)
	}
}

func TestBenchDense(t *testing.T) {
	methods := bench.Methods()
	if testing.Short() {
		methods = []string{"lora", "mora6", "full"}
	}
	for _, method := range methods {
		var r bench.Result
		okJSON(t, &r, "bench", "--model", byteModel(t), "--dense", "24", "--batch", "2", "--steps", "2", "--method", method)
		if len(r.StepSeconds) != 2 || len(r.Losses) != 3 || r.Tokens != 96 || r.Scored != 92 || r.TokensPerSecond <= 0 || r.MFU <= 0 || r.MFU > 1.5 {
			t.Errorf("%s: got %+v", method, r)
		}
	}
}

func TestEval(t *testing.T) {
	answers := filepath.Join(t.TempDir(), "answers.jsonl")
	var r evaluate.Result
	okJSON(t, &r, "eval", "--model", byteModel(t), "--task", "memory", "--set", "pairs=40", "--limit", "33", "--loss", "--answers", answers)
	if r.Rows != 33 || r.Answered != 33 || r.Score == nil || *r.Score > 0.3 || *r.Loss < 4 || *r.Loss > 8 {
		t.Errorf("got %+v", r)
	}
	if out := ok(t, "eval", "--model", byteModel(t), "--task", "memory", "--limit", "2"); strings.Contains(out, "loss") || !strings.Contains(out, "over 2 answers") {
		t.Errorf("without --loss: %s", out)
	}
	b, err := os.ReadFile(answers)
	if err != nil || bytes.Count(b, []byte("\n")) != 33 || !bytes.Contains(b, []byte(`"want":`)) {
		t.Errorf("answers: %v, %s", err, b)
	}
}

// TestEvalSeveral evaluates two tasks at once, checks that results are printed by name, and reuses the file of answers.
func TestEvalSeveral(t *testing.T) {
	dir := byteModel(t)
	answers, data := filepath.Join(t.TempDir(), "answers.jsonl"), filepath.Join(t.TempDir(), "sent.csv")
	if err := os.WriteFile(data, []byte("text,label\nShares fell.,0\nShares rose.,1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", "--model", dir, "--task", "memory,sentiment", "--set", "memory.pairs=2", "--data", "sentiment=" + data, "--answers", answers}
	var first, again map[string]evaluate.Result
	okJSON(t, &first, args...)
	if s := first["sentiment"]; len(first) != 2 || s.Answered != 2 || s.Scored < 10 || len(s.Metrics) != 2 || first["memory"].Answered != 2 {
		t.Errorf("got %+v", first)
	}
	okJSON(t, &again, args...)
	if *again["sentiment"].Score != *first["sentiment"].Score || *again["sentiment"].Loss != *first["sentiment"].Loss {
		t.Errorf("the second time %+v, want %+v", again, first)
	}
	b, err := os.ReadFile(answers)
	if err != nil || bytes.Count(b, []byte("\n")) != 4 || bytes.Count(b, []byte(`"verdict":`)) != 4 || bytes.Count(b, []byte(`"extracted":`)) != 4 {
		t.Errorf("answers: %v, %s", err, b)
	}
	if out := ok(t, args...); !strings.Contains(out, "sentiment\nloss") || !strings.Contains(out, "weighted_f1 ") {
		t.Errorf("got %s", out)
	}
	code, _, stderr := finetuneCmd(t, append(args, "--limit", "1")...)
	if code != 1 || !strings.Contains(stderr, "belongs to another run") {
		t.Errorf("with another limit: exit %d, %s", code, stderr)
	}
}

func TestTokenizer(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "text.txt")
	if err := os.WriteFile(data, []byte(strings.Repeat("one fish two fish red fish blue fish\n", 9)), 0o666); err != nil {
		t.Fatal(err)
	}
	var r struct {
		VocabSize int `json:"vocab_size"`
	}
	okJSON(t, &r, "tokenizer", "--data", data, "--vocab-size", "262", "--output", filepath.Join(dir, "tok"))
	if r.VocabSize != 262 {
		t.Errorf("%d tokens", r.VocabSize)
	}
	if out := ok(t, "tokenizer", "--data", data, "--output", filepath.Join(dir, "more")); !strings.Contains(out, " tokens in ") {
		t.Errorf("it says %q", out)
	}
}

func TestMergeAndInspect(t *testing.T) {
	base, adapter := golden.Cases(t, "peft")[0].Path("base"), golden.Cases(t, "peft")[0].Path("mora6")
	output := filepath.Join(t.TempDir(), "merged")
	args := []string{"merge", "--model", base, "--adapter", adapter, "--output", output}
	if out := ok(t, args...); !strings.Contains(out, "all the same") {
		t.Errorf("got %s", out)
	}
	if code, _, err := finetuneCmd(t, args...); code != 1 || !strings.Contains(err, "not empty") {
		t.Errorf("a second time: exit %d, %s; want 1, not empty", code, err)
	}
	for _, args := range [][]string{{output}, {adapter, "--model", base}, {adapter}} {
		var i inspect.Inspection
		okJSON(t, &i, append([]string{"inspect"}, args...)...)
		text := ok(t, append([]string{"inspect"}, args...)...)
		if (i.Model == nil) == (i.Adapter == nil) || !strings.Contains(text, "q_proj") {
			t.Errorf("%v: got %+v\n%s", args, i, text)
		}
		if i.Adapter != nil && (i.Adapter.Layers[0].RHat == 0 || i.Adapter.Layers[0].SingularValues == 0) {
			t.Errorf("%v: got %+v", args, i.Adapter)
		}
	}
}

func TestMemoryAndProfile(t *testing.T) {
	var r bench.Result
	okJSON(t, &r, "bench", "--model", byteModel(t), "--dense", "24", "--batch", "2", "--steps", "1", "--method", "lora",
		"--gradient-checkpointing", "block", "--profile")
	if len(r.Profile) < 8 || r.Memory.Total() == 0 {
		t.Errorf("the profile is %v, the memory %v", r.Profile, r.Memory)
	}
	out := ok(t, "bench", "--model", byteModel(t), "--dense", "24", "--batch", "2", "--steps", "1", "--method", "lora", "--profile")
	for _, want := range []string{"linear forward", "optimizer", "activations", "expected"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output has no %q:\n%s", want, out)
		}
	}
	code, _, stderr := finetuneCmd(t, "train", "--model", byteModel(t), "--task", "memory", "--output", filepath.Join(t.TempDir(), "run"), "--memory", "2MiB")
	if code != 1 || !strings.Contains(stderr, "memory: 2 MiB are allowed") {
		t.Errorf("a run in 2 MiB ends with %d: %s", code, stderr)
	}
}

// TestPrintable: an error's text reaches the terminal without control characters, whatever the names in a file are.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"größer, 日本, it's":       "größer, 日本, it's",
		"a\x1b[2Jb\x00\x08":      `a\x1b[2Jb\x00\b`,
		"cut \xe0\xa4 here \xff": `cut \xe0\xa4 here \xff`,
		"\uFFFD stays":           "\uFFFD stays",
		"\u202Eback":             `\u202eback`,
	} {
		var out strings.Builder
		if code := fail(&out, errors.New(text)); code != 1 || out.String() != "finetune: "+want+"\n" {
			t.Errorf("%q: %q, want %q", text, out.String(), want)
		}
		out.Reset()
		log := logger(&out, &out, "console")
		log.Warn().Msg(text)
		if utf8.ValidString(text) && !strings.HasSuffix(out.String(), " WRN "+want+"\n") {
			t.Errorf("%q is logged as %q, want %q", text, out.String(), want)
		}
	}
}

// TestNegativeNumbers: a flag's negative number is refused by the flag, and not taken for another flag.
func TestNegativeNumbers(t *testing.T) {
	for want, args := range map[string][]string{
		"--rank is -3; want 1 or more":                       {"--rank", "-3"},
		"--error is -0.5; want a number above 0 and below 1": {"--error", "-0.5"},
		"--error is 1; want a number above 0 and below 1":    {"--error", "1"},
	} {
		var out, errs strings.Builder
		code := run(append([]string{"convert", "--to", "lora", "--model", "embedded", "--adapter", "x", "--output", filepath.Join(t.TempDir(), "o")}, args...), &out, &errs)
		if code != 1 || !strings.Contains(errs.String(), want) {
			t.Errorf("%v: %d, %s; want %q", args, code, errs.String(), want)
		}
	}
}
